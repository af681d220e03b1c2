// Ask the API, with the key of this tab. Rule: the key lives in sessionStorage and travels in a header; it is never in a URL, a title or a log.
// Every failure becomes a Trouble that says what to do.

const KEY = "quarterhour.key";

export const readKey = () => sessionStorage.getItem(KEY) ?? "";
export const keepKey = (key) => sessionStorage.setItem(KEY, key);
export const forgetKey = () => sessionStorage.removeItem(KEY);

export class Trouble extends Error {
  /** `code` is the API's (RFC 9457), or `unreachable`; `field` the parameter to mend; `advice` what to do. */
  constructor(code, message, advice, field = "") {
    super(message);
    this.code = code;
    this.advice = advice;
    this.field = field;
  }
}

/** The JSON of `/v1/usage/<path>`. Raises Trouble; a question that was taken back raises AbortError. */
export async function ask(path, query, signal) {
  const response = await answer(path, query, "application/json", signal);
  return response.json();
}

/** The response itself, once it is known to be a good one. */
export async function answer(path, query, accept, signal) {
  const text = query.toString();
  const response = await reach(`/v1/usage/${path}${text ? `?${text}` : ""}`, { headers: { Authorization: `Bearer ${readKey()}`, Accept: accept }, cache: "no-store", signal });
  if (response.ok) return response;
  throw troubleOf(response, await problemOf(response));
}

async function reach(url, options) {
  try {
    return await fetch(url, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Trouble("unreachable", "The query service does not answer.", "Look whether it runs (quarterhour status), then try again.");
  }
}

async function problemOf(response) {
  try {
    return await response.json();
  } catch {
    return { code: "internal", detail: `The answer was HTTP ${response.status}, and no problem description.` };
  }
}

const ADVICE = {
  401: "Enter a key that is good. `quarterhour keys list` shows yours, `quarterhour keys create` makes one.",
  403: "Ask for what this key may see, or enter another key.",
  404: "It may have been taken back by a correction, or belong to another workspace.",
  422: "Change it, or go back to the view before.",
  429: "Wait a little, then try again.",
  503: "Try again in a few seconds.",
};

function troubleOf(response, problem) {
  const detail = problem.detail || "The question was refused.";
  const incident = problem.incident ? ` The service's log has it as ${problem.incident}.` : "";
  const wait = response.headers.get("Retry-After");
  const advice = wait ? `Wait ${wait} seconds, then try again.` : (ADVICE[response.status] ?? `Try again; when it stays, tell whoever runs the service.${incident}`);
  return new Trouble(problem.code ?? "internal", detail, advice, problem.errors?.[0]?.field ?? "");
}
