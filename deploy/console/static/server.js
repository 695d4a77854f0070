// Owns the talk with the console's own server, and the token that it may want; the browser keeps that until the tab is closed.

export class Refused extends Error {}

export function remember(token) {
  sessionStorage.setItem("token", token);
}

function named(headers = {}) {
  const token = sessionStorage.getItem("token");
  return token ? { ...headers, authorization: `Bearer ${token}` } : headers;
}

async function failure(response) {
  const { error } = await response.json();
  return response.status === 401 || response.status === 403 ? new Refused(error) : new Error(error);
}

export async function ask(path, parameters = {}) {
  const query = new URLSearchParams(parameters);
  const response = await fetch(`api/${path}?${query}`, { headers: named() });
  if (!response.ok) throw await failure(response);
  return response.json();
}

/** Sends a action and hands over each station of its event as it is reached. */
export async function act(action, reached) {
  const response = await fetch("api/events", {
    method: "POST",
    headers: named({ "content-type": "application/json" }),
    body: JSON.stringify(action),
  });
  if (!response.ok) throw await failure(response);
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
