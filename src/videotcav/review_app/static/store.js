/** What the page knows: the candidates, what everybody said, which of them are on show. No DOM. */

export const store = {
  me: "",
  finds: false, // whether more like a concept can be found
  table: null,
  standings: new Map(), // key → standing, as the server said
  ahead: new Map(), // key → my opinion, on its way to the server
  last: 0,
  filter: { show: "todo", concept: -1, kind: -1, source: -1 },
  list: [], // indices into the table
  at: 0, // position in the list
};

const NOTHING = { outcome: "undecided", label: "", opinions: {}, settled_by: "" };

export const total = () => store.table.key.length;
export const current = () => store.list[store.at];
export const standing = (i) => store.standings.get(store.table.key[i]) ?? NOTHING;
export const conceptName = (i) => store.table.concepts[store.table.concept[i]];
export const sourceName = (i) => store.table.sources[store.table.source[i]];
export const clipUrl = (i, kind) => `/api/candidates/${store.table.key[i]}/clips/${store.table.kinds[kind]}`;
export const pictureUrl = (i) => `/api/candidates/${store.table.key[i]}/picture`;
export const settling = () => store.filter.show === "conflicts";

/** My opinion of a candidate, also one that is still on its way; undefined where I have none. */
export function mine(i) {
  const key = store.table.key[i];
  if (store.ahead.has(key)) return store.ahead.get(key);
  const { opinions } = standing(i);
  return Object.hasOwn(opinions, store.me) ? opinions[store.me] : undefined;
}

/** The kind of clip to show first. */
export const firstKind = (i) => (store.filter.kind >= 0 ? store.filter.kind : store.table.clips[i][0]);

const SHOWN = {
  todo: (i) => mine(i) === undefined,
  open: (i) => standing(i).outcome === "undecided" && mine(i) === undefined,
  unsure: (i) => standing(i).outcome === "unsure" || mine(i)?.verdict === "unsure",
  conflicts: (i) => standing(i).outcome === "conflict",
  accepted: (i) => standing(i).outcome === "accepted",
  rejected: (i) => standing(i).outcome === "rejected",
  relabelled: (i) => standing(i).outcome === "accepted" && standing(i).label !== conceptName(i),
  all: () => true,
};

/** Makes the list anew from the filter; stays on candidate `keep` where it is still in it. */
export function refilter(keep) {
  const { show, concept, kind, source } = store.filter;
  const { table } = store;
  store.list = [];
  for (let i = 0; i < total(); i += 1) {
    if (concept >= 0 && table.concept[i] !== concept) continue;
    if (source >= 0 && table.source[i] !== source) continue;
    if (kind >= 0 && !table.clips[i].includes(kind)) continue;
    if (SHOWN[show](i)) store.list.push(i);
  }
  store.at = Math.max(0, store.list.indexOf(keep));
}

/** Where to go after a decision: to the next one of the list; in a list of what is to do, past what I have judged,
 * and from the start again at the end. The length of the list where nothing is left. */
export function nextPosition() {
  const { list, at } = store;
  const skipping = store.filter.show === "todo" || store.filter.show === "open";
  if (!skipping) return at + 1;
  for (let step = 1; step < list.length; step += 1) {
    const position = (at + step) % list.length;
    if (mine(list[position]) === undefined) return position;
  }
  return list.length;
}

/** Takes over standings from the server. */
export function learn(standings) {
  for (const [key, value] of Object.entries(standings)) store.standings.set(key, value);
}

export const WORDS = { accept: "accepted", reject: "rejected", unsure: "unsure", relabel: "relabelled" };
export const ICONS = { accept: "✓", reject: "✕", unsure: "?", relabel: "⇄" };

/** My judgements by concept and by source: {accept, reject, unsure, relabel, all} each, and altogether. */
export function tally() {
  const empty = () => ({ accept: 0, reject: 0, unsure: 0, relabel: 0, all: 0 });
  const { table } = store;
  const concepts = table.concepts.map(empty);
  const sources = table.sources.map(empty);
  const whole = empty();
  for (let i = 0; i < total(); i += 1) {
    const verdict = mine(i)?.verdict;
    for (const count of [concepts[table.concept[i]], sources[table.source[i]], whole]) {
      count.all += 1;
      if (verdict) count[verdict] += 1;
    }
  }
  return { concepts, sources, whole };
}

export const judged = (count) => count.accept + count.reject + count.unsure + count.relabel;
