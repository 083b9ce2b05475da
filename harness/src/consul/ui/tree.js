// The keys as a tree: a name up to and with each slash. Pure.

/** Parts of an encoded key, each with the slash that ends it. */
export const parts = encoded => encoded.match(/[^/]*\/|[^/]+/g) ?? [];

/**
 * Nodes of the sorted rows `{key, index, size, session, label}`. A node is `{path, name, level, up, at, row, below, keys}`: `row` if
 * there is a key of that path, `below` the nodes below, `keys` how many keys it and they are.
 */
export function build(rows) {
  const root = { path: "", name: "", level: 0, up: null, at: 0, row: null, below: [], keys: 0 };
  let trail = [root];
  for (const row of rows) {
    const names = parts(row.key);
    // In byte order, what is below a folder stands together.
    let shared = 0;
    while (shared + 1 < trail.length && trail[shared + 1].name === names[shared]) shared++;
    trail.length = shared + 1;
    for (const name of names.slice(shared)) {
      const up = trail.at(-1);
      const node = {
        path: up.path + name, name, level: up.level + 1, up, at: up.below.length, row: null, below: [], keys: 0,
      };
      up.below.push(node);
      trail.push(node);
    }
    trail.at(-1).row = row;
    for (const node of trail) node.keys++;
  }
  return root;
}

/** The nodes that are seen, from above, while those are open of which `open` says so. */
export function seen(root, open) {
  const nodes = [];
  const waiting = [...root.below].reverse();
  while (waiting.length) {
    const node = waiting.pop();
    nodes.push(node);
    if (open(node)) for (let at = node.below.length; at--;) waiting.push(node.below[at]);
  }
  return nodes;
}

/** All nodes with something below. */
export function folders(root) {
  return seen(root, () => true).filter(node => node.below.length);
}

/** What is not as it was: encoded keys that are new, were written, or are gone. */
export function changes(before, after) {
  const old = new Map(before.map(row => [row.key, row.index]));
  const changed = after.filter(row => old.get(row.key) !== row.index).map(row => row.key);
  const now = new Set(after.map(row => row.key));
  return changed.concat(before.filter(row => !now.has(row.key)).map(row => row.key));
}
