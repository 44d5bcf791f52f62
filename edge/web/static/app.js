// The live page. One frame at a time: it is acknowledged when it is drawn, so a slow screen misses parts and never lags.
import { clock, duration, language, nextLanguage, number, reasonWord, score, setLanguage, t } from "./words.js";
import * as picture from "./picture.js";

const STALE_MS = 1500, HEARD_MS = 2500, PICTURE_MS = 600, STRIP = 12; // the server speaks at least once a second
const $ = (id) => document.getElementById(id);
const say = (id, text) => { if ($(id).textContent !== text) $(id).textContent = text; };

let frame = null, part = null, strip = null, stripKey = "";
let freshAt = -Infinity; // performance.now() when the station last spoke, by its own clock's age
let heardAt = -Infinity; // when the server last sent anything
let partAt = -Infinity, behindSince = null, wait = 250, current = null;

// ── what is shown ───────────────────────────────────────────────────────────────────────────────────────────────────
const MODE_WHO = { AUTO: "rejecting", OBSERVE: "PLC releases", BYPASS: "PLC releases", SETUP: "no verdicts", OFFLINE: "not connected", "?": "No fresh data" };
const MODE_BANNER = {
  BYPASS: ["hz", "BYPASS: parts leave without inspection"], OFFLINE: ["al", "OFFLINE: no link to the PLC"],
  SETUP: ["inf", "SETUP: no part is judged"], OBSERVE: ["inf", "OBSERVE: verdicts are recorded, not applied"],
};
const VERDICTS = {
  OK: ["ok", "OK", "good part"], NG: ["ng", "NG", "rejected"], RECHECK: ["rc", "RECHECK", "goes to the recheck lane"],
  NOT_INSPECTED: ["ni", "NOT INSPECTED", "rejected, counted apart"], HOLD: ["hold", "HOLD", ""], STALE: ["st", "", ""],
};

const ageMs = () => performance.now() - freshAt;
const isStale = () => ageMs() > STALE_MS || (behindSince !== null && performance.now() - behindSince > STALE_MS);

function showAll() {
  const stale = isStale(), gate = frame?.gate;
  document.body.classList.toggle("stale", stale);
  document.body.classList.toggle("waiting", !part);
  if (frame) say("station", frame.station);
  document.title = frame ? `${frame.station} · Jidoka` : "Jidoka";
  showMode(gate, stale);
  showBanner(gate, stale);
  showVerdict(stale);
  showReason(stale);
  showLaps(gate);
  showCounts(gate);
  showPictureTags(stale);
}

function showMode(gate, stale) {
  const mode = stale || !gate ? "?" : gate.mode;
  $("mode").dataset.m = mode;
  say("mode-word", t(mode));
  say("mode-who", t(MODE_WHO[mode]));
  const ready = stale || !gate ? "?" : gate.ready ? "READY" : "NOT READY";
  $("readiness").dataset.r = ready;
  say("ready-word", t(ready));
  say("ready-what", t(ready === "NOT READY" ? "see below" : "PLC, camera, engine"));
  $("ready-glyph").setAttribute("href", { READY: "#g-ready", "NOT READY": "#g-unready" }[ready] ?? "#g-STALE");
  say("recipe", gate?.recipe ? `${t("Recipe")} ${gate.recipe}` : "");
}

// One slot: bypass before what keeps the station from being ready, before other modes, before lasting notes.
function showBanner(gate, stale) {
  const told = [];
  if (!stale && gate) {
    const mode = MODE_BANNER[gate.mode] && [MODE_BANNER[gate.mode][0], t(MODE_BANNER[gate.mode][1]), ""];
    const unmet = !gate.ready && gate.unmet.length && ["al", `${t("NOT READY")}: ${reasonWord(gate.unmet[0])}`, rest(gate.unmet[0])];
    const notes = gate.banner.map((why) => ["warn", reasonWord(why), rest(why)]);
    told.push(...(gate.mode === "BYPASS" ? [mode, unmet] : [unmet, mode]), ...notes);
  }
  const [first, ...more] = told.filter(Boolean);
  $("banner").hidden = !first;
  if (!first) return;
  $("banner").className = `banner ${first[0]}`;
  $("banner-glyph").setAttribute("href", first[0] === "inf" ? "#g-eye" : "#g-alarm");
  say("banner-word", first[1]);
  say("banner-text", first[2]);
  say("banner-notes", more.map((one) => one[1]).join(" · "));
}

function showVerdict(stale) {
  const key = stale || !part ? "STALE" : part.disposition === "HOLD" ? "HOLD" : part.verdict;
  const [look, word, means] = VERDICTS[key];
  $("verdict").className = `verdict ${look}`;
  $("verdict").dataset.verdict = key === "STALE" ? "?" : key;
  $("verdict-glyph").setAttribute("href", `#g-${key}`);
  say("verdict-word", t(word));
  fitWord(t(word));
  say("part", part ? `${t(stale ? "Last part" : "Part")} ${number(part.part)}` : "");
  say("age", part ? (stale ? clock(part.utc) : duration(Math.max(0, performance.now() - partAt))) : "");
  if (key === "STALE") say("verdict-means", staleWords(stale));
  else if (key === "HOLD") say("verdict-means", `${t("would be")} ${t(part.judged.replace("_", " "))}, ${t("not applied")}`);
  else say("verdict-means", t(key === "RECHECK" && part.disposition !== "recheck" ? "rejected" : means));
}

function staleWords(stale) {
  if (!stale) return t("Waiting for the first part");
  return frame?.gate ? `${t("no fresh data for")} ${duration(behindSince === null ? ageMs() : performance.now() - behindSince)}` : t("Waiting for the station");
}

// Long words fill the width: their longest word decides the size; a Chinese character is as wide as 1.7 letters.
function fitWord(text) {
  const lengths = text.split(/\s+/).map((word) => [...word].reduce((sum, c) => sum + (c > "⺀" ? 1.7 : 1), 0));
  const longest = Math.max(1, ...lengths);
  document.querySelector("#verdict .w").classList.toggle("long", longest > 2);
  $("verdict").style.setProperty("--n", longest);
  $("verdict").style.setProperty("--lines", lengths.length);
}

function showReason(stale) {
  const tool = part?.tool;
  if (stale) {
    const [what, then] = lost();
    say("reason", t(what));
    say("detail", t(then));
  } else {
    const why = part?.reasons.find((one) => !one.code.startsWith("mode_")) ?? part?.reasons[0];
    const named = tool?.defect_class !== "defect" && why?.code.startsWith("score_") && why.code !== "score_below_limit" && tool.defect_class;
    say("reason", !part ? "" : named ? named[0].toUpperCase() + named.slice(1) : why ? reasonWord(why) : t("No defect above the limit"));
    const scored = tool ? `${t("Score")} ${score(tool.score)}, ${t("limit")} ${score(tool.limit)}` : "";
    say("detail", why && !(scored && why.code.startsWith("score_")) ? rest(why) : scored);
  }
  $("ruler").hidden = !tool;
  if (!tool) return;
  const top = Math.max(2 * tool.limit, 1.08 * tool.score), at = (value) => `${(100 * Math.max(0, value)) / top}%`;
  const recheck = tool.recheck ?? tool.limit;
  Object.assign($("ruler-grey").style, { left: at(recheck), width: at(tool.limit - recheck) });
  Object.assign($("ruler-ng").style, { left: at(tool.limit), right: "0" });
  $("ruler-mark").style.left = at(tool.score);
  $("ruler-limit").style.left = at(tool.limit);
  $("ruler-recheck").style.left = at(recheck);
  say("ruler-limit", score(tool.limit));
  say("ruler-recheck", (tool.limit - recheck) / top > 0.09 ? score(recheck) : "");
  say("ruler-top", score(top));
}

// Who is silent: the server (or the way to it), the station behind it, or only its records.
function lost() {
  if (performance.now() - heardAt > HEARD_MS) return frame ? ["This screen has lost the station", "The line goes on and rejects without it."] : ["Waiting for the station", ""];
  if (ageMs() > STALE_MS) return ["The station is silent", "The PLC rejects every part that gets no OK."];
  return ["The records are behind", "Newer parts were judged than this screen can show."];
}

// What a reason's text says beyond its word.
function rest(why) {
  const word = reasonWord(why);
  return why.text.toLowerCase().startsWith(word.toLowerCase()) ? why.text.slice(word.length).replace(/^[:,]?\s*/, "") : why.text;
}

// From the trigger to the PLC, each lap a piece of the track; the gate adds the last two after the row was written.
function showLaps(gate) {
  $("laps").hidden = !part || !Object.keys(part.laps_us).length;
  if ($("laps").hidden) return;
  const laps = Object.entries(part.laps_us), last = gate?.plc.last ?? {};
  if (last.part === part.part) {
    if (last.written_us !== undefined) laps.push(["written", last.written_us]);
    if (last.consumed_us !== undefined) laps.push(["consumed", last.consumed_us]);
  }
  const key = `${part.part} ${laps.length} ${language}`;
  if ($("laps").dataset.key === key) return;
  $("laps").dataset.key = key;
  const end = 1.02 * Math.max(part.deadline_us, ...laps.map(([, at]) => at));
  const track = [], list = [];
  let before = 0;
  laps.forEach(([name, at], k) => {
    const piece = document.createElement("i"), item = document.createElement("li");
    piece.className = `l${k % 4}`;
    Object.assign(piece.style, { left: `${(100 * before) / end}%`, width: `${(100 * Math.max(0, at - before)) / end}%` });
    item.className = piece.className;
    item.append(Object.assign(document.createElement("i")), `${t(name)} `, Object.assign(document.createElement("b"), { textContent: number(at / 1e3, 1) }));
    track.push(piece);
    list.push(item);
    before = Math.max(before, at);
  });
  const limit = Object.assign(document.createElement("i"), { className: "dl" });
  limit.style.left = `${(100 * part.deadline_us) / end}%`;
  limit.hidden = part.deadline_us === null; // the belt never brought the part to its last camera
  const item = Object.assign(document.createElement("li"), { className: "dl", hidden: limit.hidden });
  item.append(Object.assign(document.createElement("i")), `${t("deadline")} `, Object.assign(document.createElement("b"), { textContent: `${number(part.deadline_us / 1e3)} ms` }));
  $("lap-track").replaceChildren(...track, limit);
  $("lap-list").replaceChildren(...list, item);
}

function showCounts(gate) {
  if (!frame) return;
  const n = { OK: 0, NG: 0, RECHECK: 0, NOT_INSPECTED: 0, ...frame.counts }, judged = n.OK + n.NG + n.RECHECK;
  for (const verdict of ["OK", "NG", "RECHECK", "NOT_INSPECTED"]) say(`n-${verdict}`, number(n[verdict]));
  say("n-parts", number(judged + n.NOT_INSPECTED));
  small("yield", judged ? `${number((100 * n.OK) / judged, 1)} %` : "–", judged ? `${t("of")} ${number(judged)}` : "");
  small("takt", frame.takt_s === null ? "–" : `${number(frame.takt_s, 2)} s`, gate?.takt_s ? `${t("of")} ${number(gate.takt_s, 2)}` : "");
  const margin = frame.margin_us;
  small("margin", margin ? `${number(margin.least / 1e3)} ms` : "–", margin && gate ? `${t("of")} ${number(gate.deadline_ms)}, n ${number(margin.n)}` : "");
}

function small(id, large, rest) {
  if ($(id).dataset.shown === large + rest) return;
  $(id).dataset.shown = large + rest;
  $(id).replaceChildren(large, " ", Object.assign(document.createElement("small"), { textContent: rest }));
}

function showPictureTags(stale) {
  const its = part?.picture;
  say("camera", its ? `${t("Camera")} ${its.camera}` : "");
  const old = stale && its ? `${t("old picture")}, ${duration(ageMs())}` : "";
  say("no-picture", old || (part && !$("picture").dataset.sha256 ? t("no picture") : ""));
  $("no-picture").hidden = !$("no-picture").textContent;
  $("scale").hidden = $("picture").dataset.heat !== "true" || !part?.map;
  if (part?.map) say("scale-limit", `${score(part.map.top)}, ${t("limit")} ${score(part.map.top / 2)}`);
}

// ── the strip ───────────────────────────────────────────────────────────────────────────────────────────────────────
async function refreshStrip() {
  const key = frame ? `${frame.counts.NG} ${frame.counts.NOT_INSPECTED}` : "";
  if (key === stripKey) return;
  stripKey = key;
  try {
    const answer = await fetch(`/api/parts?limit=${STRIP}&verdict=NG&verdict=NOT_INSPECTED`);
    if (answer.ok) strip = (await answer.json()).parts;
  } catch {
    stripKey = ""; // the server is away; asked again when it is back
  }
  showStrip();
}

function showStrip() {
  if (strip === null) return;
  const items = strip.map(stripItem);
  if (!items.length) items.push(Object.assign(document.createElement("li"), { className: "mut", textContent: t("none yet") }));
  $("strip").replaceChildren(...items);
}

function stripItem(row) {
  const item = document.createElement("li"), thumb = document.createElement("span"), look = VERDICTS[row.verdict][0];
  thumb.className = "thumb";
  thumb.append(glyph(row.verdict));
  if (row.picture) {
    const image = Object.assign(new Image(), { src: `/api/picture/${row.picture.sha256}`, alt: "", decoding: "async" });
    image.onload = () => thumb.replaceChildren(image);
  }
  const why = row.reasons.find((one) => !one.code.startsWith("mode_"));
  const word = Object.assign(document.createElement("b"), { className: `v ${look}` });
  word.append(glyph(row.verdict), t(row.verdict === "NG" ? "NG" : "Not insp."));
  const when = Object.assign(document.createElement("span"), { className: "mut", textContent: clock(row.utc) });
  item.append(thumb, word, when);
  item.title = why ? `${number(row.part)}: ${why.text}` : number(row.part);
  return item;
}

function glyph(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg"), use = document.createElementNS(svg.namespaceURI, "use");
  svg.classList.add("g");
  use.setAttribute("href", `#g-${name}`);
  svg.append(use);
  return svg;
}

// ── the station ─────────────────────────────────────────────────────────────────────────────────────────────────────
async function take(news, socket) {
  const now = performance.now();
  if (news.part) {
    const its = news.part.picture, image = its ? await picture.load(its.sha256, PICTURE_MS) : null;
    if (socket !== current) return; // a newer connection has newer news
    part = news.part;
    partAt = now - (news.part_age_ms ?? 0);
    $("picture").dataset.sha256 = image ? its.sha256 : "";
    picture.set(image, part.map, part.tool && its && part.tool.camera === its.camera ? part.tool.findings : []);
  }
  frame = news;
  if (news.age_ms !== null) freshAt = now - news.age_ms;
  const newest = news.gate?.plc.last?.part; // judged and told to the PLC: its row must follow, or what we show is old
  behindSince = newest !== undefined && part && newest > part.part ? behindSince ?? now : null;
  showAll();
  void refreshStrip();
}

function connect() {
  const socket = current = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws/live`);
  socket.onmessage = async ({ data }) => {
    const news = JSON.parse(data);
    wait = 250;
    heardAt = performance.now();
    await take(news, socket);
    requestAnimationFrame(() => { if (socket.readyState === WebSocket.OPEN) socket.send(String(news.n)); });
  };
  socket.onclose = () => { setTimeout(connect, wait); wait = Math.min(2 * wait, 4000); };
}

// ── the person ──────────────────────────────────────────────────────────────────────────────────────────────────────
function toggle(what) {
  picture.show[what] = !picture.show[what];
  $(what).setAttribute("aria-pressed", String(picture.show[what]));
  picture.draw();
  showAll();
}

function speak(wanted) {
  setLanguage(wanted);
  localStorage.setItem("language", language);
  showAll();
  showStrip();
}

function setTheme(wanted) {
  document.documentElement.dataset.theme = wanted;
  localStorage.setItem("theme", wanted);
}

$("heat").onclick = () => toggle("heat");
$("boxes").onclick = () => toggle("boxes");
$("language").onclick = () => speak(nextLanguage());
$("theme").onclick = () => setTheme(getComputedStyle(document.documentElement).colorScheme.startsWith("dark") ? "light" : "dark");
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.key === "h" || event.key === "H") toggle("heat");
  if (event.key === "b" || event.key === "B") toggle("boxes");
});

const asked = new URLSearchParams(location.hash.slice(1));
setTheme(asked.get("theme") ?? localStorage.getItem("theme") ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light"));
speak(asked.get("lang") ?? localStorage.getItem("language") ?? navigator.language.slice(0, 2));
setInterval(showAll, 100); // the age runs on without news
connect();
