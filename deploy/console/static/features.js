// Owns what is stored of the user: counters by half-life and the items last engaged with, each with its age.

import { element } from "./element.js";
import { ago, plain, score } from "./words.js";

export class Features {
  constructor(place, tasks) {
    this.place = place;
    this.tasks = tasks;
    this.updated = null;
    setInterval(() => this.tick(), 1000);
  }

  show(user, stored) {
    this.updated = stored?.updated_at ?? null;
    this.age = element("p", { class: "hint" });
    const title = element("h2", { id: "features-title" }, `Stored features of ${user}`);
    if (!stored) {
      this.age.textContent = "Nothing is known yet: no event of this user was folded.";
      this.place.replaceChildren(title, this.age);
      return;
    }
    this.place.replaceChildren(title, this.age, element("div", { class: "tables" }, this.counters(stored), this.recent(stored)));
    this.tick();
  }

  tick() {
    if (this.updated === null) return;
    this.age.textContent = `Newest event: ${ago(Date.now() / 1000 - this.updated)}.`;
  }

  counters(stored) {
    const heads = stored.half_lives.map((name) => element("th", { scope: "col" }, name === "all" ? "all time" : name));
    const rows = stored.counters.map((one) => element("tr", {},
      element("th", { scope: "row" }, plain(one.name)),
      ...one.values.map((value) => element("td", {}, value.toFixed(value < 100 ? 2 : 0))),
    ));
    const sums = this.tasks.some(({ kind }) => kind === "duration") ? "; sums of durations are of ln(1 + seconds)" : "";
    return element("div", { class: "scroll" }, element("table", {},
      element("caption", {}, `Counters by half-life, aged to now${sums}`),
      element("thead", {}, element("tr", {}, element("th", { scope: "col" }, "counter"), ...heads)),
      element("tbody", {}, ...rows),
    ));
  }

  recent(stored) {
    const now = Date.now() / 1000;
    const rows = stored.recent.slice(0, 12).map((one) => element("tr", {},
      element("th", { scope: "row", title: one.item_id }, one.title || one.item_id),
      element("td", {}, this.labels(one.labels) || "–"),
      element("td", {}, ago(now - one.at)),
    ));
    return element("div", { class: "scroll" }, element("table", {},
      element("caption", {}, "Last engaged with"),
      element("thead", {}, element("tr", {}, ...["item", "labels", "when"].map((name) => element("th", { scope: "col" }, name)))),
      element("tbody", {}, ...rows),
    ));
  }

  /** What came of one item, such as "click, read seconds 1.4 min". */
  labels(found) {
    const told = ({ name, kind }) => kind !== "binary" ? `${plain(name)} ${score(found[name], kind)}` : found[name] ? plain(name) : `no ${plain(name)}`;
    return this.tasks.filter(({ name }) => name in found).map(told).join(", ");
  }
}
