// Every word on the page, in English, Chinese and German. A text from the station itself (what, where, remedy) stays as it is.
export const LANGUAGES = ["en", "zh", "de"];
const LABEL = { en: "EN", zh: "中文", de: "DE" };

const WORDS = {
  AUTO: ["自动", "AUTO"], SETUP: ["调试", "EINRICHTEN"], OBSERVE: ["观察", "BEOBACHTEN"], BYPASS: ["旁路", "BYPASS"], OFFLINE: ["离线", "OFFLINE"],
  "rejecting": ["正在剔除", "schleust aus"], "PLC releases": ["由 PLC 放行", "SPS gibt frei"], "not connected": ["未连接", "nicht verbunden"], "no verdicts": ["不输出判定", "keine Urteile"],
  "READY": ["就绪", "BEREIT"], "NOT READY": ["未就绪", "NICHT BEREIT"], "PLC, camera, engine": ["PLC、相机、引擎", "SPS, Kamera, Rechner"], "see below": ["原因见下", "Grund unten"],
  "No fresh data": ["数据已停滞", "Keine neuen Daten"], "no fresh data for": ["数据已停滞", "keine neuen Daten seit"],
  "OK": ["OK", "OK"], "NG": ["NG", "NG"], "RECHECK": ["复检", "NACHPRÜFEN"], "NOT INSPECTED": ["未检测", "UNGEPRÜFT"], "HOLD": ["待定", "GESPERRT"], "?": ["?", "?"],
  "good part": ["合格品", "Gutteil"], "rejected": ["不合格，已剔除", "ausgeschleust"], "goes to the recheck lane": ["进入复检道", "geht in die Nachprüfspur"],
  "rejected, counted apart": ["已剔除，单独计数", "ausgeschleust, getrennt gezählt"], "would be": ["应判为", "wäre"], "not applied": ["不执行", "nicht angewendet"],
  "Recheck": ["复检", "Nachprüfen"], "Not insp.": ["未检测", "Ungeprüft"], "Part": ["工件", "Teil"], "Last part": ["上一工件", "Letztes Teil"], "Parts": ["工件", "Teile"], "Yield": ["良率", "Ausbeute"],
  "Takt": ["节拍", "Takt"], "Deadline margin, least": ["时限余量，最小", "Fristreserve, kleinste"], "of": ["/", "von"],
  "Last NG and not inspected": ["最近 NG 与未检测", "Letzte NG und ungeprüfte"], "none yet": ["暂无", "noch keine"],
  "Heatmap": ["热图", "Heatmap"], "Boxes": ["框", "Rahmen"], "Camera": ["相机", "Kamera"], "no picture": ["无图像", "kein Bild"], "old picture": ["旧图像", "altes Bild"], "limit": ["限值", "Grenze"],
  "Recipe": ["配方", "Rezept"], "Waiting for the first part": ["等待第一个工件", "Warte auf das erste Teil"], "Waiting for the station": ["等待检测站", "Warte auf die Station"],
  "No defect above the limit": ["无超限缺陷", "Kein Fehler über der Grenze"], "Score": ["得分", "Wert"], "Highest score": ["最高分", "Höchster Wert"],
  "This screen has lost the station": ["此屏幕与检测站失去连接", "Dieser Bildschirm hat die Station verloren"], "The line goes on and rejects without it.": ["产线继续运行并剔除。", "Die Linie läuft und schleust weiter aus."],
  "The station is silent": ["检测站无数据", "Die Station schweigt"], "The PLC rejects every part that gets no OK.": ["PLC 会剔除所有未获 OK 的工件。", "Die SPS schleust jedes Teil ohne OK aus."],
  "The records are behind": ["记录滞后", "Die Aufzeichnung hinkt nach"], "Newer parts were judged than this screen can show.": ["已判定更新的工件，此屏幕尚无法显示。", "Es wurden neuere Teile beurteilt, als hier zu sehen sind."],
  "BYPASS: parts leave without inspection": ["旁路：工件未经检测放行", "BYPASS: Teile gehen ungeprüft weiter"], "OBSERVE: verdicts are recorded, not applied": ["观察：只记录判定，不执行", "BEOBACHTEN: Urteile werden nur aufgezeichnet"],
  "SETUP: no part is judged": ["调试：不判定工件", "EINRICHTEN: kein Teil wird beurteilt"], "OFFLINE: no link to the PLC": ["离线：与 PLC 无连接", "OFFLINE: keine Verbindung zur SPS"],
  "seen": ["触发", "gesehen"], "asked": ["请求", "gefragt"], "received": ["接收", "empfangen"], "exposed": ["曝光", "belichtet"], "arrived": ["到图", "Bild da"], "preprocessed": ["预处理", "vorbereitet"], "inferred": ["推理", "berechnet"],
  "placed": ["定位", "gefunden"], "healthy": ["图像检查", "Bild geprüft"],
  "decided": ["判定", "entschieden"], "answered": ["应答", "beantwortet"], "written": ["写入", "geschrieben"], "consumed": ["已取", "abgeholt"], "deadline": ["时限", "Frist"],
};

// Reason codes: what a person reads first. A code that is not here shows the station's own text.
const REASONS = {
  score_below_limit: ["No defect above the limit", "无超限缺陷", "Kein Fehler über der Grenze"],
  picture_wrong_size: ["Picture of the wrong size", "图像尺寸不符", "Bild hat falsche Größe"],
  score_above_limit: ["Defect above the limit", "缺陷超过限值", "Fehler über der Grenze"],
  score_in_grey_band: ["Not clear enough to decide", "无法明确判定", "Nicht eindeutig"],
  picture_dark: ["Picture too dark to judge", "图像过暗，无法判定", "Bild zu dunkel zum Beurteilen"],
  picture_bright: ["Picture too bright to judge", "图像过亮，无法判定", "Bild zu hell zum Beurteilen"],
  picture_flat: ["Picture without contrast", "图像无对比度", "Bild ohne Kontrast"],
  picture_saturated: ["Picture overexposed", "图像过曝", "Bild überbelichtet"],
  picture_blurred: ["Picture too blurred to judge", "图像模糊，无法判定", "Bild zu unscharf zum Beurteilen"],
  picture_motion_blur: ["Picture smeared by motion", "图像有运动模糊", "Bild durch Bewegung verwischt"], light_uneven: ["Light uneven: a lamp, a shadow, dirt", "光照不均：灯、阴影或污物", "Licht ungleichmäßig: Lampe, Schatten, Schmutz"],
  grey_patch_off: ["Light is not as taught (grey patch)", "光照与示教不符（灰度块）", "Licht nicht wie gelernt (Graufeld)"], picture_drifting: ["Pictures drift towards a limit", "图像正趋近限值", "Bilder driften auf eine Grenze zu"],
  trigger_offset_drifting: ["Exposures drift off their place", "曝光位置正在漂移", "Belichtungen wandern von ihrem Platz"],
  camera_no_frame: ["No picture came", "没有收到图像", "Kein Bild gekommen"], camera_lost: ["Camera lost", "相机丢失", "Kamera verloren"], camera_failed: ["Camera failed", "相机故障", "Kamera gestört"],
  camera_not_ready: ["Camera not ready", "相机未就绪", "Kamera nicht bereit"], exposed_late: ["Exposed too late", "曝光过晚", "Zu spät belichtet"], model_failed: ["Model failed", "模型故障", "Modell gestört"],
  light_lost: ["Light lost", "光源丢失", "Licht verloren"], light_failed: ["Light failed", "光源故障", "Licht gestört"],
  light_refused: ["Light can't do what the recipe asks", "光源无法执行配方设定", "Licht kann nicht, was das Rezept verlangt"], light_settling: ["Light is being set", "正在设定光源", "Licht wird eingestellt"],
  engine_late: ["Too late for the deadline", "超过时限", "Zu spät für die Frist"], engine_busy: ["Engine still busy", "引擎仍忙", "Rechner noch beschäftigt"], engine_died: ["Engine died", "引擎已终止", "Rechner ausgefallen"],
  engine_absent: ["Engine is not there", "引擎不在线", "Rechner fehlt"], engine_silent: ["Engine does not answer", "引擎无应答", "Rechner antwortet nicht"], gate_restarted: ["Gate was restarted", "闸门进程已重启", "Gate neu gestartet"],
  recorder_absent: ["Recorder is not there", "记录器不在线", "Rekorder fehlt"], recorder_behind: ["Recorder is behind", "记录器滞后", "Rekorder im Rückstand"], recipe_unknown: ["Recipe unknown", "未知配方", "Rezept unbekannt"],
  plc_lost: ["PLC does not answer", "PLC 无应答", "SPS antwortet nicht"], plc_not_ready: ["PLC is not ready", "PLC 未就绪", "SPS nicht bereit"], plc_restarted: ["PLC was restarted", "PLC 已重启", "SPS neu gestartet"],
  shed: ["Shed: no time left to judge it", "已跳过：剩余时间不足", "Ausgelassen: Zeit reicht nicht mehr"], deadline_unproven: ["Deadline shorter than proven", "时限短于已验证值", "Frist kürzer als nachgewiesen"],
  empty_nest: ["No part there", "无工件", "Kein Teil da"], two_parts: ["More than one part", "不止一个工件", "Mehr als ein Teil"], not_located: ["Part not where it should be", "工件位置超出范围", "Teil nicht an seinem Platz"],
  too_many_waiting: ["Too many parts waiting", "等待工件过多", "Zu viele Teile warten"], trigger_age_unknown: ["Trigger of unknown age", "触发时间未知", "Alter des Triggers unbekannt"], trigger_gap: ["Trigger missed", "触发丢失", "Trigger fehlt"],
  trigger_torn: ["Trigger half written", "触发数据不完整", "Trigger halb geschrieben"], trigger_ring_overrun: ["Triggers overran", "触发溢出", "Trigger übergelaufen"],
  mode_observe: ["Observed only", "仅观察", "Nur beobachtet"], mode_bypass: ["Bypass is on", "旁路已开启", "Bypass ist an"], mode_setup: ["Station is in set-up", "调试中", "Station wird eingerichtet"], mode_offline: ["Station was offline", "检测站离线", "Station war offline"],
  plc_heartbeat: ["PLC stands still", "PLC 停止运行", "SPS steht"], plc_disabled: ["PLC does not enable vision", "PLC 未使能视觉", "SPS gibt Bildverarbeitung nicht frei"],
  map_version: ["PLC has another signal map", "PLC 信号表版本不符", "SPS hat andere Signalliste"], plc_not_seen: ["PLC was not reached yet", "尚未连接到 PLC", "SPS noch nicht erreicht"],
  purge: ["PLC purges the belt", "PLC 正在清空传送带", "SPS räumt das Band"], change_over: ["Recipe is being changed", "正在切换配方", "Rezept wird gewechselt"], presented_again: ["Part was here before", "该工件已检测过", "Teil war schon da"],
  engine_nonsense: ["Engine's answer makes no sense", "引擎应答无效", "Antwort des Rechners ergibt keinen Sinn"],
  package_kept: ["A package is damaged, the last good one is in use", "模型包损坏，使用上一个完好版本", "Paket beschädigt, das letzte gute läuft"],
  forced: ["FORCED", "已强制", "GEFORCT"], picture_altered: ["A kept picture was altered", "已存图像被更改", "Ein Bild wurde verändert"], picture_missing: ["A kept picture is missing", "已存图像丢失", "Ein Bild fehlt"],
  alarm: ["Alarm", "报警", "Alarm"], held: ["Line held", "产线暂停", "Linie angehalten"],
  not_certified: ["Not certified for this machine", "未在本机认证", "Für diesen Rechner nicht zertifiziert"],
  trigger_late: ["Trigger published too late", "触发发布过晚", "Trigger zu spät gemeldet"],
  transport_slow: ["PLC link slower than allowed", "PLC 通信慢于设定", "SPS-Verbindung langsamer als erlaubt"],
  pictures_not_kept: ["Pictures are not kept", "图像未能保存", "Bilder werden nicht aufbewahrt"],
  disk_low: ["Disk nearly full", "磁盘将满", "Platte fast voll"], ledger_stuck: ["Records can't be written", "记录无法写入", "Aufzeichnung steht"],
  join_ambiguous: ["Parts can't be told apart", "无法区分工件", "Teile nicht zuzuordnen"], frame_lost: ["Picture lost by the camera", "相机丢失图像", "Bild in der Kamera verloren"],
  provisional: ["Limits are provisional", "限值为暂定", "Grenzen sind vorläufig"], degraded_timing: ["Timing is degraded", "时序能力降级", "Zeitverhalten eingeschränkt"],
};

export let language = "en";
export function setLanguage(wanted) {
  language = LANGUAGES.includes(wanted) ? wanted : "en";
  document.documentElement.lang = language;
  document.getElementById("language").textContent = LABEL[language];
  for (const e of document.querySelectorAll("[data-t]")) e.textContent = t(e.dataset.t);
}
export const nextLanguage = () => LANGUAGES[(LANGUAGES.indexOf(language) + 1) % LANGUAGES.length];

const column = () => ({ zh: 0, de: 1 })[language];
export const t = (word) => (column() === undefined ? word : WORDS[word]?.[column()] ?? word);
export const reasonWord = (why) => REASONS[why.code]?.[LANGUAGES.indexOf(language)] ?? why.text;
export const number = (value, digits = 0) =>
  new Intl.NumberFormat(language, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
export const score = (value) => new Intl.NumberFormat(language, { maximumSignificantDigits: 3 }).format(value);
export const clock = (utc) => new Intl.DateTimeFormat(language, { timeStyle: "medium", hour12: false }).format(new Date(utc));
export function duration(ms) {
  if (ms < 60e3) return `${number(ms / 1e3, ms < 10e3 ? 1 : 0)} s`;
  return ms < 3600e3 ? `${number(ms / 60e3)} min` : `${number(ms / 3600e3, 1)} h`;
}
