// Owns the page: which user is open, and what happens when one is opened or something is done with an item.

import { element } from "./element.js";
import { Features } from "./features.js";
import { Health } from "./health.js";
import { Lists } from "./lists.js";
import { act, ask, Refused, remember } from "./server.js";
import { themed } from "./theme.js";
import { Trace } from "./trace.js";
import { plain } from "./words.js";

const find = (id) => document.getElementById(id);
const trouble = find("trouble");

function troubled(error) {
  trouble.hidden = false;
  trouble.textContent = error.message === "Failed to fetch" ? "The console does not answer; is its stack still up?" : error.message;
}

async function attempt(work) {
  try {
    const done = await work();
    trouble.hidden = true;
    return done;
  } catch (error) {
    troubled(error);
  }
}

class Page {
  constructor(setup) {
    this.user = "";
    this.lists = new Lists(find("lists"), setup, (item, action, value) => this.do(item, action, value));
    this.trace = new Trace(find("trace"), setup.tasks);
    this.features = new Features(find("features"), setup.tasks);
    const places = { tiles: find("tiles"), curves: find("curves"), letters: find("letters"), model: find("model") };
    new Health(places, setup.tasks, troubled).watch();
  }

  async open(user) {
    this.user = find("user").value = user;
    history.replaceState(null, "", `#${encodeURIComponent(user)}`);
    await this.refresh();
  }

  /** Requests the lists and the stored features again: what the user's next page would show. */
  async refresh() {
    const { user } = this;
    await attempt(async () => {
      const [lists, features] = await Promise.all([ask("lists", { user }), ask("features", { user })]);
      if (user !== this.user) return;
      this.lists.show(user, lists);
      this.features.show(user, features);
    });
  }

  do(item, action, value) {
    if (action.input === "timer") this.read(item, action);
    else if (value === null || Number.isFinite(value)) this.send(item, action, value);
  }

  /** Runs the clock of a reading until it is stopped; one item is read at a time. */
  read(item, action) {
    this.finish?.();
    const began = performance.now();
    const passed = () => (performance.now() - began) / 1000;
    const label = element("span", {}, `Reading: ${item.title || item.item_id}`);
    const clock = element("b", { "aria-hidden": "true" }, "0 s");
    const ticking = setInterval(() => { clock.textContent = `${Math.round(passed())} s`; }, 500);
    this.finish = () => {
      clearInterval(ticking);
      this.finish = null;
      find("reading").hidden = true;
      this.send(item, action, passed());
    };
    const stop = element("button", { type: "button", click: () => this.finish() }, "Stop reading");
    find("reading").replaceChildren(label, clock, stop);
    find("reading").hidden = false;
    stop.focus({ preventScroll: true });
  }

  async send(item, action, value) {
    const amount = value === null ? "" : ` (${action.input === "timer" ? `${value.toFixed(1)} s` : value})`;
    const reached = this.trace.begin(`${plain(action.kind)}${amount}: ${item.title || item.item_id}`);
    const wire = { user_id: this.user, item_id: item.item_id, kind: action.kind, value, recommendation_id: item.recommendation_id };
    await attempt(() => act(wire, reached));
    await this.refresh();
  }
}

/** Shows the form for a token where one is wanted; what the console said of the last one stands above it. */
async function admitted() {
  try {
    return await ask("setup");
  } catch (error) {
    if (!(error instanceof Refused)) return troubled(error);
    if (sessionStorage.getItem("token")) troubled(error);
    find("login").hidden = false;
    find("who").hidden = true;
    find("token").focus();
  }
}

async function start() {
  themed(find("theme"));
  find("login").addEventListener("submit", (event) => {
    event.preventDefault();
    remember(find("token").value.trim());
    location.reload();
  });
  const setup = await admitted();
  if (!setup) return;
  find("mode").hidden = !setup.read_only;
  find("newcomer").hidden = setup.read_only;
  const page = new Page(setup);
  find("who").addEventListener("submit", (event) => {
    event.preventDefault();
    page.open(find("user").value.trim());
  });
  find("newcomer").addEventListener("click", () => page.open(`guest-${Math.random().toString(36).slice(2, 7)}`));
  const users = (await attempt(() => ask("users"))) ?? [];
  find("users").replaceChildren(...users.map((user) => element("option", { value: user })));
  const wanted = decodeURIComponent(location.hash.slice(1)) || users[0];
  if (wanted) await page.open(wanted);
}

start();
