// The picture: how large it is, what is chosen in it, what passes its edges.

const box = document.getElementById("picture");
/** So many bytes a second are a line at its thickest. */
const MOST = 1e8;
const SMALLEST = 0.1;
const LARGEST = 4;

const state = { drawn: null, scale: null, chosen: null, edges: new Map(), traced: false };

/** Puts a picture in the place of the one before it, at the same scale and place. */
export function show(drawn, traced = false) {
  const { scrollLeft, scrollTop } = box;
  drawn.removeAttribute("role");
  for (const group of drawn.querySelectorAll("[data-room]")) {
    group.setAttribute("tabindex", "0");
    group.setAttribute("role", "button");
    group.setAttribute("aria-label", group.dataset.room);
  }
  state.drawn = drawn;
  state.traced = traced;
  state.edges = new Map();
  for (const edge of drawn.querySelectorAll("[data-from]")) {
    for (const end of [edge.dataset.from, edge.dataset.to]) {
      if (!state.edges.has(end)) state.edges.set(end, []);
      state.edges.get(end).push(edge);
    }
  }
  box.replaceChildren(drawn);
  scale(state.scale);
  mark();
  box.scrollTo(scrollLeft, scrollTop);
}

export const isTraced = () => state.traced;

/** Null: as wide as there is room, "whole": as high as well, and no larger than it was drawn. */
export function scale(to) {
  state.scale = to;
  if (!state.drawn) return;
  const { width, height } = state.drawn.viewBox.baseVal;
  const wide = Math.min(1, (box.clientWidth - 4) / width);
  const used = to === "whole" ? Math.min(wide, (box.clientHeight - 4) / height) : to ?? wide;
  state.drawn.setAttribute("width", Math.round(width * used));
  state.drawn.setAttribute("height", Math.round(height * used));
}

/** As wide as there is room; if it is that already, all of it. */
export const fit = () => scale(state.scale === null ? "whole" : null);

export function zoom(factor) {
  if (!state.drawn) return;
  const now = state.drawn.width.baseVal.value / state.drawn.viewBox.baseVal.width;
  scale(Math.min(LARGEST, Math.max(SMALLEST, now * factor)));
}

/** Says which room is chosen. */
export function choose(name) {
  state.chosen = name;
  mark();
}

function mark() {
  for (const group of state.drawn?.querySelectorAll("[data-room]") ?? []) {
    group.classList.toggle("chosen", group.dataset.room === state.chosen);
    group.setAttribute("aria-pressed", String(group.dataset.room === state.chosen));
  }
}

/** The rooms, in the order in which they are drawn. */
export const rooms = () => Array.from(state.drawn?.querySelectorAll("[data-room]") ?? [], group => group.dataset.room);

/** What passed each interface between two looks, `seconds` apart: where most passed, lines are thickest. */
export function traffic(before, now, seconds) {
  if (!state.drawn) return;
  for (const edge of state.drawn.querySelectorAll("[data-from]")) {
    const rates = [edge.dataset.from, edge.dataset.to].map(id => rate(before[id], now[id], seconds));
    const most = Math.max(...rates);
    const level = most < 1 ? 0 : Math.min(4, 1 + Math.floor(4 * Math.log10(1 + most) / Math.log10(MOST)));
    edge.dataset.level = level;
  }
}

function rate(before, now, seconds) {
  if (!before || !now) return 0;
  // An interface that was made anew has counted less.
  return Math.max(0, now[0] + now[1] - before[0] - before[1]) / seconds;
}

/** What to do when somebody chooses a room, or an interface in it. */
export function onChoose(act) {
  const chosen = event => {
    const target = event.target.closest("[data-interface], [data-room]");
    if (!target) return null;
    const { interface: name, room } = target.dataset;
    return room ?? name.slice(0, name.lastIndexOf("/"));
  };
  box.addEventListener("click", event => {
    const room = chosen(event);
    if (room) act(room);
  });
  box.addEventListener("keydown", event => {
    if (event.key !== "Enter" && event.key !== " ") return;
    const room = chosen(event);
    if (!room) return;
    event.preventDefault();
    act(room);
  });
}

new ResizeObserver(() => typeof state.scale === "number" || scale(state.scale)).observe(box);
