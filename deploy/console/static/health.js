// Owns the health of the system: tiles of freshness, latency and counts, a learning curve for each task, dead letters.

import { drawn, element } from "./element.js";
import { ask } from "./server.js";
import { count, counted, plain, seconds } from "./words.js";

const LOOK_MS = 2500;

export class Health {
  constructor({ tiles, curves, letters, model }, tasks, troubled) {
    Object.assign(this, { tiles, curves, letters, model, tasks, troubled });
    letters.addEventListener("toggle", () => letters.open && this.list());
  }

  async watch() {
    if (document.visibilityState === "visible") {
      try {
        this.show(await ask("system"));
      } catch (error) {
        this.troubled(error);
      }
    }
    setTimeout(() => this.watch(), LOOK_MS);
  }

  show(system) {
    const { times, counts, learning } = system;
    const age = learning.published_at ? `, ${seconds(Date.now() / 1000 - learning.published_at)} old` : "";
    const told = learning.version ? `model ${learning.version.replace(/^v0*/, "v")}${age}` : "no model yet";
    if (this.model.textContent !== told) this.model.textContent = told;
    const tile = (name, value, note = "") => element("div", {}, element("dt", {}, name), element("dd", {}, value, element("small", {}, note)));
    const timed = (name, found, note) => tile(name, found ? seconds(found.p50_s) : "–", found ? `99 % under ${seconds(found.p99_s)}` : note);
    this.tiles.replaceChildren(
      timed("event to feature", times.event_to_feature, "no event yet"),
      timed("event to the next answer", times.event_to_served, "no answer yet"),
      timed("answer of the server", times.answer, "no answer yet"),
      tile("events folded", count(counts.folded ?? 0), `${counted(counts.duplicates ?? 0, "duplicate")}, lag ${system.lag === null ? "unknown" : count(system.lag)}`),
      tile("examples learned", count(counts.examples_learned ?? 0), `${counted(counts.snapshots_rejected ?? 0, "snapshot")} rejected`),
      tile("items", count(counts.items ?? 0), "can be recommended"),
      tile("dead letters", count(system.dead_letters), system.dead_letters ? "listed below" : "none"),
      ...system.silent.map((process) => tile(process, "silent", "its /metrics does not answer")),
    );
    this.curves.replaceChildren(...this.tasks.map((task) => this.curve(task, lineage(learning.points))).filter(Boolean));
  }

  curve(task, points) {
    const metric = task.kind === "binary" ? "auc" : "rmse";
    const known = points.map((one) => [one.examples, one.metrics[task.name]?.[metric]]).filter(([, value]) => value != null);
    if (!known.length) return null;
    const name = metric.toUpperCase();
    const [from, to] = [known[0][0], known.at(-1)[0]];
    const values = known.map(([, value]) => value);
    const [low, high] = spread(Math.min(...values), Math.max(...values));
    const x = (examples) => (to > from ? (300 * (examples - from)) / (to - from) : 150);
    const y = (value) => 96 - (92 * (value - low)) / (high - low);
    const path = known.map(([examples, value], at) => `${at ? "L" : "M"}${x(examples).toFixed(1)} ${y(value).toFixed(1)}`).join("");
    const single = known.length === 1 ? "h.1" : "";
    const last = values.at(-1);
    const label = `${name} of ${plain(task.name)}: ${values[0].toFixed(3)} after ${count(from)} examples, ${last.toFixed(3)} after ${count(to)}`;
    return element("figure", {},
      element("figcaption", {}, element("span", {}, `${plain(task.name)}: ${name}`), element("b", {}, last.toFixed(3))),
      drawn("svg", { viewBox: "0 0 300 100", preserveAspectRatio: "none", role: "img", "aria-label": label },
        drawn("line", { x1: 0, x2: 300, y1: 4, y2: 4 }), drawn("line", { x1: 0, x2: 300, y1: 96, y2: 96 }),
        drawn("path", { d: path + single, "stroke-linecap": "round" })),
      element("p", { class: "ends" }, element("span", {}, `${count(from)} examples`), element("span", {}, `${low.toFixed(2)} to ${high.toFixed(2)}`), element("span", {}, count(to))),
    );
  }

  async list() {
    const place = this.letters.querySelector("div");
    const letters = await ask("dead-letters");
    const rows = letters.map((one) => element("tr", {},
      element("td", {}, new Date(1000 * one.at).toLocaleString()), element("td", {}, one.reason), element("td", {}, one.topic), element("td", {}, one.detail)));
    place.replaceChildren(letters.length
      ? element("div", { class: "scroll" }, element("table", {},
        element("thead", {}, element("tr", {}, ...["rejected", "reason", "from", "detail"].map((name) => element("th", { scope: "col" }, name)))),
        element("tbody", {}, ...rows)))
      : element("p", { class: "hint" }, "None: every record could be used."));
  }
}

/** Points without those that were undone: learning then went on from fewer examples than they have. */
function lineage(points) {
  return points.filter((one, at) => points.slice(at + 1).every((later) => later.examples >= one.examples));
}

/** Bounds that leave air around flat curves. */
function spread(low, high) {
  const air = Math.max(0.01, (high - low) * 0.1);
  return [low - air, high + air];
}
