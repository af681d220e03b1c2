// Hand files to the person who looks, whole or not at all.

import { answer, ask, Trouble } from "./api.js";
import { number } from "./words.js";

const LINE_FEED = 10;

/** `parts` as a file that the browser saves. */
export function save(parts, name) {
  const url = URL.createObjectURL(new Blob(parts, { type: "text/csv;charset=utf-8" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** All bytes of a response; `onLines` is told the line feeds so far. A stream that breaks raises: half a file is never saved. */
async function collect(response, onLines) {
  const parts = [];
  let lines = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return parts;
    parts.push(value);
    for (let at = value.indexOf(LINE_FEED); at >= 0; at = value.indexOf(LINE_FEED, at + 1)) lines += 1;
    onLines(lines);
  }
}

/** Every session of the question as a file, compared with its manifest before it is saved: {name, rows, sha256}. Raises Trouble. `tell` hears the progress. */
export async function saveSessions(query, tell) {
  const response = await answer("sessions.csv", query, "text/csv");
  const expected = Number(response.headers.get("X-Expected-Rows"));
  const parts = await whole(response, (lines) => tell(`${number(lines)}${expected ? ` of about ${number(expected)}` : ""} rows`));
  const manifest = await ask(`exports/${response.headers.get("X-Export-Id")}`, new URLSearchParams());
  const blob = new Blob(parts);
  if (manifest.state !== "complete" || manifest.bytes !== blob.size || (await digest(blob)) !== (crypto.subtle ? manifest.sha256 : null)) throw brokenOff();
  save(parts, manifest.file_name);
  return manifest;
}

async function whole(response, onLines) {
  try {
    return await collect(response, onLines);
  } catch {
    throw brokenOff();
  }
}

const brokenOff = () => new Trouble("broken_off", "The file broke off and was not saved.", "Try again; take a very long range in pieces.");

/** null where the browser has no digest: on plain HTTP from another machine. */
async function digest(blob) {
  if (!crypto.subtle) return null;
  const bytes = new Uint8Array(await crypto.subtle.digest("SHA-256", await blob.arrayBuffer()));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
