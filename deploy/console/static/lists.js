// Owns the lists of recommended items: their scores, how those changed since the last look, and what can be done with each.

import { element } from "./element.js";
import { ask } from "./server.js";
import { change, differs, plain, score, usual } from "./words.js";

const MOST_REASONS = 4;

export class Lists {
  /** `place` is the section to fill; `act(item, action, value)` hears of what the person does. */
  constructor(place, { tasks, actions }, act) {
    this.place = place;
    this.tasks = tasks;
    this.actions = actions;
    this.act = act;
    this.scores = new Map();
  }

  show(user, { lists, info }) {
    const focused = document.activeElement?.dataset?.key;
    const first = this.user !== user;
    if (first) this.scores.clear();
    this.user = user;
    this.answer = info?.recommendation_id ?? "";
    const notes = [...(info?.degradations ?? []), ...(info?.short_lists ?? [])].map((one) => element("p", {}, one.detail));
    const columns = element("div", { class: "columns" }, ...lists.map((list) => this.list(list, first)));
    const nothing = lists.length ? null : element("p", { class: "hint" }, "The server knows no item that it could recommend.");
    this.place.replaceChildren(
      element("h2", { id: "lists-title" }, `Lists of ${user}`),
      element("div", { class: "notes" }, ...notes),
      nothing ?? columns,
    );
    for (const bar of this.place.querySelectorAll("[data-width]")) bar.style.width = `${bar.dataset.width}%`;
    this.scores = new Map(lists.flatMap((list) => list.items.map((item) => [item.item_id, item.scores])));
    if (focused) (this.place.querySelector(`[data-key="${CSS.escape(focused)}"]`) ?? this.place).focus({ preventScroll: true });
  }

  list(list, first) {
    const most = new Map(this.tasks.map((task) => [task.name, Math.max(...list.items.map((item) => item.scores[task.name] ?? 0))]));
    const title = `${list.type || "items"}`;
    return element("section", { class: "panel", "aria-label": `${title}, ranked` },
      element("h3", {}, title, element("small", {}, "best first")),
      element("ol", {}, ...list.items.map((item, place) => this.item(item, place, most, first, list.type))),
    );
  }

  item(item, place, most, first, type) {
    const before = this.scores.get(item.item_id);
    const lines = this.tasks.filter((task) => task.name in item.scores).map((task) => this.score(task, item, before, most));
    const moved = before ? "moved" : first ? "" : "new moved";
    const why = element("div", { class: "why", hidden: "" });
    return element("li", { class: `item ${moved}`, "data-item": item.item_id },
      element("span", { class: "rank", "aria-hidden": "true" }, `${place + 1}`),
      element("p", { class: "title", title: item.item_id }, item.title || item.item_id),
      element("dl", { class: "scores" }, ...lines),
      this.buttons(item, why, type),
      why,
    );
  }

  score(task, item, before, most) {
    const value = item.scores[task.name];
    const top = most.get(task.name) || 1;
    const old = before?.[task.name];
    const shown = old !== undefined && differs(old, value, task.kind);
    return element("div", { class: "line", "data-task": task.name, "data-score": value },
      element("dt", {}, plain(task.name)),
      element("dd", {},
        element("span", { class: "meter", "aria-hidden": "true" }, element("i", { "data-width": Math.max(0, (100 * value) / top) })),
        element("span", { class: "number" }, score(value, task.kind)),
        element("span", { class: `delta ${value > old ? "up" : "down"}` }, shown ? change(old, value, task.kind) : ""),
      ),
    );
  }

  buttons(item, why, type) {
    const name = item.title || item.item_id;
    const fitting = this.actions.filter((action) => !action.types.length || action.types.includes(type));
    const buttons = fitting.flatMap((action) => {
      const number = action.input === "number"
        ? element("input", { type: "number", step: "any", value: usual(item.scores[action.task] ?? action.value), "aria-label": `${plain(action.kind)}: value for ${name}` })
        : null;
      const go = () => this.act({ ...item, recommendation_id: this.answer }, action, number ? number.valueAsNumber : null);
      const label = plain(action.kind);
      const key = `${action.kind} ${item.item_id}`;
      const button = element("button", { type: "button", "aria-label": `${label} ${name}`, "data-key": key, click: go }, label);
      return number ? [number, button] : [button];
    });
    const explain = element("button", {
      type: "button", "aria-expanded": "false", "aria-label": `why ${name}`, "data-key": `why ${item.item_id}`,
      click: () => this.explain(explain, why, item),
    }, "why?");
    return element("div", { class: "actions" }, ...buttons, explain);
  }

  async explain(button, why, item) {
    why.hidden = !why.hidden;
    button.setAttribute("aria-expanded", `${!why.hidden}`);
    if (why.hidden) return;
    try {
      const tasks = await ask("why", { user: this.user, item: item.item_id });
      why.replaceChildren(...tasks.map((task) => this.reasons(task)));
    } catch (error) {
      why.replaceChildren(element("p", {}, error.message));
    }
  }

  reasons(found) {
    const { kind } = this.tasks.find((task) => task.name === found.task);
    const lines = (some) => some.filter((one) => differs(0, one.contribution, kind)).slice(0, MOST_REASONS)
      .map((one) => element("li", { class: one.contribution > 0 ? "up" : "down" }, one.summary));
    const head = `${plain(found.task)} ${score(found.prediction, kind)}; of an average user and item ${score(found.baseline, kind)}`;
    const reasons = lines(found.reasons), past = lines(found.past_items);
    return element("section", {},
      element("p", {}, head),
      reasons.length ? element("ul", {}, ...reasons) : element("p", { class: "hint" }, "Nothing moved it from there."),
      ...(past.length ? [element("p", {}, "Past items that pulled it"), element("ul", {}, ...past)] : []),
    );
  }
}
