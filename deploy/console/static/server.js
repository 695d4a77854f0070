// Owns the talk with the console's own server.

export async function ask(path, parameters = {}) {
  const query = new URLSearchParams(parameters);
  const response = await fetch(`api/${path}?${query}`);
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.error);
  return answer;
}

/** Sends a deed and hands over each station of its event as it is reached. */
export async function act(deed, reached) {
  const response = await fetch("api/events", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(deed),
  });
  if (!response.ok) throw new Error((await response.json()).error);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let waiting = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const lines = (waiting + value).split("\n");
    waiting = lines.pop();
    for (const line of lines) reached(JSON.parse(line));
  }
}
