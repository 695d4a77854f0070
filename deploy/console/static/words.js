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

export function seconds(value) {
  if (value < 1) return `${(1000 * value).toFixed(value < 0.1 ? 1 : 0)} ms`;
  if (value < 100) return `${value.toFixed(1)} s`;
  if (value < 6000) return `${Math.round(value / 60)} min`;
  if (value < 172800) return `${Math.round(value / 3600)} h`;
  return `${Math.round(value / 86400)} days`;
}

export function ago(value) {
  return value < 1 ? "just now" : `${seconds(value)} ago`;
}

export function count(value) {
  return Math.round(value).toLocaleString("en");
}

export function plain(name) {
  return name.replaceAll("_", " ").replaceAll(":", ": ");
}
