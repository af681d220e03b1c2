// Hand a file to the person who looks.

/** `parts` as a file that the browser saves. */
export function save(parts, name) {
  const url = URL.createObjectURL(new Blob(parts, { type: "text/csv;charset=utf-8" }));
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

/** All bytes of a response, told as they come. A stream that breaks raises: half a file is never saved. */
export async function collect(response, onBytes) {
  const parts = [];
  let bytes = 0;
  const reader = response.body.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return parts;
    parts.push(value);
    bytes += value.length;
    onBytes(bytes);
  }
}

export function nameOf(response, fallback) {
  return /filename="([^"/\\]+)"/.exec(response.headers.get("Content-Disposition") ?? "")?.[1] ?? fallback;
}
