// The sessions, and what they hold.

import { encode, escape } from "./bytes.js";
import { h, keyShown } from "./dom.js";

/** Nanoseconds as a person says them. */
const time = nanoseconds => (nanoseconds >= 1e9 || nanoseconds === 0 ? `${nanoseconds / 1e9}s` : `${nanoseconds / 1e6}ms`);

/** Shows them; `go(path)` chooses a key. */
export function showSessions(sessions, rows, go) {
  const held = Map.groupBy(rows.filter(row => row.session), row => row.session.toLowerCase());
  const item = session => {
    const keys = held.get(session.ID.toLowerCase()) ?? [];
    const facts = [session.Node, session.TTL && `TTL ${session.TTL}`, session.Behavior, `lock-delay ${time(session.LockDelay)}`];
    return h("li", { id: `session-${session.ID}`, tabindex: "-1" },
      h("div", {}, h("code", { title: session.ID }, session.ID.slice(0, 8)), " ",
        session.Name && h("b", {}, keyShown(escape(encode(session.Name))), " "),
        h("span", { class: "facts" }, facts.filter(fact => fact).join(" · "))),
      keys.length
        ? h("div", { class: "holds" }, "holds ", keys.map((row, at) => [at ? ", " : "",
          h("button", { type: "button", class: "link", onclick: () => go(row.key) }, keyShown(row.key))]).flat())
        : h("div", { class: "holds none" }, "holds nothing"));
  };
  const box = document.getElementById("sessions");
  const had = document.activeElement?.closest?.("#sessions button")?.textContent;
  box.replaceChildren(h("h2", {}, "Sessions", h("span", { class: "count" }, String(sessions.length))),
    sessions.length ? h("ul", {}, sessions.map(item)) : h("p", { class: "none" }, "There are none."));
  if (had !== undefined) Array.from(box.querySelectorAll("button")).find(button => button.textContent === had)?.focus();
}

/** Brings a session into view. */
export function goToSession(id) {
  const item = Array.from(document.querySelectorAll("#sessions li")).find(item => item.id.toLowerCase() === `session-${id.toLowerCase()}`);
  item?.scrollIntoView({ block: "nearest" });
  item?.focus();
}
