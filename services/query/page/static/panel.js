// Ask for what a panel shows, one question at a time. Rule: the newest question wins; an older answer that comes later is never drawn.

import { Trouble } from "./api.js";

/** `work`: {load(signal), loading(), draw(answer), trouble(error)}. `ask(key, work, again)` asks when the key is another one than before, or `again`. */
export function createPanel(onLockedOut) {
  let asked = null;
  let running = null;
  return {
    async ask(key, work, again = false) {
      if (key === asked && !again) return;
      running?.abort();
      const mine = new AbortController();
      running = mine;
      if (key !== asked) work.loading?.();
      asked = key;
      try {
        const answer = await work.load(mine.signal);
        if (running === mine) work.draw(answer);
      } catch (error) {
        if (running !== mine || error.name === "AbortError") return;
        if (!(error instanceof Trouble)) throw error;
        asked = null;
        if (error.code === "unauthenticated") onLockedOut(error);
        else work.trouble(error);
      }
    },
    forget() {
      running?.abort();
      asked = running = null;
    },
  };
}
