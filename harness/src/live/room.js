// What a namespace holds, as tables in the words of `ip` and `bridge`.

import { h } from "./dom.js";

const number = value => value.toLocaleString("en");

function table(title, heads, rows) {
  if (!rows.length) return null;
  return h("details", { open: rows.length < 30 },
    h("summary", {}, `${title} `, h("small", {}, String(rows.length))),
    h("table", {},
      h("thead", {}, h("tr", {}, heads.map(head => h("th", { scope: "col" }, head)))),
      h("tbody", {}, rows.map(row => h("tr", {}, row.map(cell => h("td", {}, cell == null ? "" : String(cell))))))));
}

/** The tables of a namespace, as elements. */
export function tables({ held, counters }) {
  const { holds, rules, settings } = held;
  const name = index => holds.links.find(link => link.index === index)?.name ?? index;
  const links = holds.links.map(link => [
    link.index, link.name, link.kind, link.mtu, link.mac, link.master === null ? "" : name(link.master),
    link.vxlan ? `VNI ${link.vxlan.vni}` : link.kind === "veth" ? `peer ${link.peer}` : "",
    link.up ? (link.carrier ? "up" : "no carrier") : "down",
  ]);
  const passed = counters.map(one => [
    one.link, number(one.received), number(one.received_bytes), number(one.sent), number(one.sent_bytes),
    number(one.dropped), number(one.errors),
  ]);
  const routes = holds.routes.map(route => [
    route.to ?? "default", route.gateway, route.dev === null ? "" : name(route.dev), route.source,
  ]);
  const neighbours = holds.neighbours.map(entry => [
    entry.ip, entry.mac ?? "unknown", name(entry.dev), entry.permanent ? "permanent" : "",
  ]);
  // Multicast entries are the kernel's own bookkeeping: the group bit is set.
  const fdb = holds.fdb.filter(entry => !(parseInt(entry.mac.slice(0, 2), 16) & 1)).map(entry => [
    entry.mac, name(entry.dev), entry.vtep, entry.own ? "self" : "master", entry.permanent ? "permanent" : "",
  ]);
  return [
    table("Links", ["", "name", "kind", "mtu", "address", "master", "", "state"], links),
    table("Addresses", ["address", "dev"], holds.addresses.map(one => [one.net, name(one.dev)])),
    table("Routes", ["to", "via", "dev", "src"], routes),
    table("Neighbours", ["ip", "at", "dev", ""], neighbours),
    table("Forwarding", ["mac", "dev", "behind", "table", ""], fdb),
    table("Rules", ["rule"], rules.map(rule => [rule])),
    table("Settings", ["name", "is"], Object.entries(settings)),
    table("Counters", ["link", "received", "bytes", "sent", "bytes", "dropped", "errors"], passed),
  ].filter(Boolean);
}
