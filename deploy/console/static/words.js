// Owns how numbers and names read on the page.

export function score(value, kind) {
  if (value === undefined) return "–";
  if (kind === "binary") return `${(100 * value).toFixed(value < 0.1 ? 2 : 1)} %`;
  if (kind === "duration") return seconds(value);
  return value.toFixed(2);
}

export function change(before, after, kind) {
  const difference = after - before;
  const sign = difference > 0 ? "+" : "−";
  const size = Math.abs(difference);
  if (kind === "binary") return `${sign}${(100 * size).toFixed(2)} pt`;
  if (kind === "duration") return `${sign}${size.toFixed(1)} s`;
  return `${sign}${size.toFixed(2)}`;
}

export function differs(before, after, kind) {
  return Math.abs(after - before) >= (kind === "binary" ? 0.00005 : 0.05);
}

/** A time, with a space that does not break before the unit. */
export function seconds(value) {
  if (value < 1) return `${(1000 * value).toFixed(value < 0.1 ? 1 : 0)}\u00a0ms`;
  if (value < 100) return `${value.toFixed(1)}\u00a0s`;
  if (value < 6000) return `${rounded(value / 60)}\u00a0min`;
  if (value < 172800) return `${rounded(value / 3600)}\u00a0h`;
  return `${Math.round(value / 86400)}\u00a0days`;
}

/** Two digits at least: 1.7 minutes and 2.2 minutes are not alike. */
function rounded(value) {
  return value.toFixed(value < 9.95 ? 1 : 0);
}

/** A value to begin with, such as 4.4 stars or 0.71 of a song. */
export function usual(value) {
  return Number(value.toPrecision(2));
}

export function ago(value) {
  return value < 1 ? "just now" : `${seconds(value)} ago`;
}

export function count(value) {
  return Math.round(value).toLocaleString("en");
}

export function counted(value, noun) {
  return `${count(value)} ${noun}${value === 1 ? "" : "s"}`;
}

export function plain(name) {
  return name.replaceAll("_", " ").replaceAll(":", ": ");
}
