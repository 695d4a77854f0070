// Owns the log of events that this page sent: for each its three stations, with the milliseconds at which it was there.

import { element } from "./element.js";
import { change, differs, plain, score } from "./words.js";

const STATIONS = [["log", "on the log"], ["feature", "in the features"], ["served", "in the scores"]];
const MOST = 30;

export class Trace {
  constructor(place, tasks) {
    this.place = place;
    this.tasks = tasks;
  }

  /** A new line on top; returns what hears of each station. */
  begin(what) {
    const spans = new Map(STATIONS.map(([name, label]) => [name, element("span", { "data-station": name }, label)]));
    const outcome = element("p", { class: "change" });
    const line = element("li", {},
      element("p", { class: "what" }, what),
      element("div", { class: "stations" }, ...spans.values()),
      outcome,
    );
    this.place.prepend(line);
    while (this.place.children.length > MOST) this.place.lastChild.remove();
    return (reached) => this.reach(reached, spans, outcome);
  }

  reach(reached, spans, outcome) {
    const span = spans.get(reached.station);
    if (span) {
      span.classList.add("reached");
      span.prepend(element("b", {}, `${reached.ms < 100 ? reached.ms.toFixed(1) : Math.round(reached.ms)} ms`), element("br"));
    } else {
      outcome.textContent = reached.detail;
    }
    if (reached.station === "served") outcome.append(...this.changes(reached.before, reached.after));
  }

  changes(before, after) {
    return this.tasks.filter((task) => task.name in after).map((task) => {
      const [old, now] = [before[task.name], after[task.name]];
      const same = !differs(old, now, task.kind);
      const tone = same ? "" : now > old ? "up" : "down";
      const text = same ? "unchanged" : `${score(old, task.kind)} → ${score(now, task.kind)} (${change(old, now, task.kind)})`;
      return element("span", {}, `${plain(task.name)} `, element("span", { class: tone, "data-changed": task.name }, text), element("br"));
    });
  }
}
