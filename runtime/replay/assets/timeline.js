"use strict";
(() => {
  const call = JSON.parse(document.getElementById("data").textContent);
  const $ = (id) => document.getElementById(id);
  const audio = $("audio"), lanes = $("lanes"), overview = $("overview"), tip = $("tip");
  const GUTTER = 108;
  const STAGES = { "end of turn": "wait", transcript: "stt", model: "llm", voice: "tts", out: "bot" };
  const STATUS = { initiating: "muted", progressing: "good", pausing: "wait", resuming: "tts", terminating: "llm", terminated: "muted" };
  const LANES = [
    { key: "axis", label: "", height: 20 },
    { key: "turns", label: "turns", height: 22 },
    { key: "status", label: "status", height: 16 },
    { key: "caller", label: "caller", height: 80 },
    { key: "vad", label: "caller speech", height: 20 },
    { key: "wait", label: "end of turn", height: 14 },
    { key: "stt", label: "speech to text", height: 14 },
    { key: "llm", label: "language model", height: 14 },
    { key: "tools", label: "tool calls", height: 18 },
    { key: "tts", label: "text to speech", height: 14 },
    { key: "v2v", label: "voice to voice", height: 18 },
    { key: "speech", label: "bot speech", height: 20 },
    { key: "bot", label: "bot", height: 80 },
  ];
  let top = 0;
  for (const lane of LANES) { lane.top = top; top += lane.height + 4; }
  const HEIGHT = top;
  lanes.style.height = HEIGHT + "px";
  const view = { from: 0, to: Math.max(call.duration_ms, 1) };
  let head = 0;
  let spots = [];
  let colours = {};

  const decode = (text) => new Int8Array(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
  const peaks = { caller: decode(call.peaks.caller), bot: decode(call.peaks.bot) };
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
  const seconds = (ms) => (ms < 0 ? "-" : "") + Math.floor(Math.abs(ms) / 60000) + ":" + (Math.abs(ms) % 60000 / 1000).toFixed(2).padStart(5, "0");
  const width = () => lanes.clientWidth;
  const x = (ms) => GUTTER + (ms - view.from) / (view.to - view.from) * (width() - GUTTER);
  const time = (px) => view.from + (px - GUTTER) / (width() - GUTTER) * (view.to - view.from);

  function readColours() {
    const style = getComputedStyle(document.documentElement);
    const names = ["ground", "panel", "line", "text", "muted", "caller", "caller-soft", "bot", "bot-soft", "stt", "wait", "llm", "tts", "bad", "good", "on"];
    colours = Object.fromEntries(names.map((name) => [name, style.getPropertyValue("--" + name).trim()]));
    colours.sans = style.getPropertyValue("--sans").trim();
  }

  function prepare(canvas, height) {
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(canvas.clientWidth * ratio);
    canvas.height = Math.round(height * ratio);
    const g = canvas.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, canvas.clientWidth, height);
    g.font = "11px " + colours.sans;
    g.textBaseline = "middle";
    return g;
  }

  function waveform(g, side, left, right, from, to, middle, half) {
    const data = peaks[side], columns = right - left;
    g.fillStyle = colours[side];
    for (let column = 0; column < columns; column += 1) {
      const first = Math.floor((from + (to - from) * column / columns) / call.peak_ms);
      const last = Math.max(first + 1, Math.ceil((from + (to - from) * (column + 1) / columns) / call.peak_ms));
      let low = 0, high = 0;
      for (let at = Math.max(first, 0); at < last && 2 * at + 1 < data.length; at += 1) {
        low = Math.min(low, data[2 * at]);
        high = Math.max(high, data[2 * at + 1]);
      }
      g.fillRect(left + column, middle - high / 128 * half, 1, Math.max((high - low) / 128 * half, 0.6));
    }
  }

  function box(g, lane, from, to, colour, text, about, at_ms) {
    const left = Math.max(x(from), GUTTER), right = Math.min(x(to), width());
    if (right < GUTTER || left > width()) return;
    const size = Math.max(right - left, 2);
    g.fillStyle = colours[colour] || colour;
    g.beginPath();
    g.roundRect(left, lane.top, size, lane.height, 3);
    g.fill();
    if (text) {
      g.save();
      g.beginPath();
      g.rect(left, lane.top, size - 4, lane.height);
      g.clip();
      g.fillStyle = colour === "line" ? colours.text : colours.on;
      if (size > 14) g.fillText(text, left + 6, lane.top + lane.height / 2 + 0.5);
      g.restore();
    }
    spots.push({ left, right: left + size, top: lane.top, bottom: lane.top + lane.height, about, at_ms: at_ms ?? from });
  }

  const lane = (key) => LANES.find((one) => one.key === key);
  const words = (name) => name === "dtmf" ? "keys" : name.replace("_", " ");
  const named = (turn) => turn.trigger === "speech" ? `Turn ${turn.turn}` : `Turn ${turn.turn} (${words(turn.trigger)})`;
  const answer = (turn) => turn.stages.length ? Math.round(turn.stages[turn.stages.length - 1].to_ms - turn.stages[0].from_ms) : null;
  const beginning = (turn) => turn.speech_start_ms ?? turn.turn_end_ms ?? turn.bot_start_ms ?? 0;
  const ending = (turn) => turn.bot_stop_ms ?? turn.bot_start_ms ?? turn.turn_end_ms ?? turn.speech_end_ms ?? beginning(turn);
  const currentTurn = (ms) => call.turns.findLastIndex((turn) => beginning(turn) <= ms + 1);

  function drawAxis(g) {
    const span = view.to - view.from, row = lane("axis");
    const step = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 30000, 60000, 300000, 600000].find((one) => one / span * (width() - GUTTER) > 80) || 600000;
    for (let at = Math.ceil(view.from / step) * step; at <= view.to; at += step) {
      g.strokeStyle = colours.line;
      g.beginPath();
      g.moveTo(x(at) + 0.5, row.height);
      g.lineTo(x(at) + 0.5, HEIGHT);
      g.stroke();
      g.fillStyle = colours.muted;
      g.textAlign = "center";
      if (x(at) > GUTTER + 20 && x(at) < width() - 24) g.fillText(step < 100 ? (at / 1000).toFixed(2) + " s" : seconds(at).replace(/\.?0+$/, ""), x(at), row.height / 2);
    }
    g.textAlign = "left";
  }

  function drawTurn(g, turn, next) {
    const until = next ? Math.min(ending(turn), beginning(next)) : ending(turn), first = x(beginning(turn));
    g.save();
    g.globalAlpha = 0.5;
    g.fillStyle = colours.line;
    g.fillRect(first, lane("turns").top, 1, HEIGHT);
    g.restore();
    box(g, lane("turns"), beginning(turn), until, "line", `${turn.turn}  ${words(turn.trigger)}`,
      `${named(turn)}: ${((until - beginning(turn)) / 1000).toFixed(1)} s` + (answer(turn) === null ? "" : `, answered after ${answer(turn)} ms`));
    const begin = turn.turn_end_ms ?? turn.speech_end_ms ?? turn.llm_first_token_ms;
    if (turn.speech_start_ms !== null && turn.speech_end_ms !== null) {
      box(g, lane("vad"), turn.speech_start_ms, turn.speech_end_ms, "caller", turn.user_text,
        `${named(turn)}: the caller spoke ${turn.speech_end_ms - turn.speech_start_ms} ms\n${turn.user_text}`);
      if (turn.turn_end_ms !== null) box(g, lane("wait"), turn.speech_end_ms, turn.turn_end_ms, "wait", "", `${named(turn)}: judged complete after ${turn.turn_end_ms - turn.speech_end_ms} ms`);
      if (turn.transcript_ms !== null) box(g, lane("stt"), Math.min(turn.speech_end_ms, turn.transcript_ms), turn.transcript_ms, "stt", "", `${named(turn)}: last transcript ${turn.transcript_ms - turn.speech_end_ms} ms after the end of speech`);
    }
    if (turn.llm_first_token_ms !== null) {
      const from = Math.min(Math.max(begin, turn.transcript_ms ?? begin), turn.llm_first_token_ms);
      box(g, lane("llm"), from, turn.llm_end_ms ?? turn.llm_first_token_ms, "llm", "", `${named(turn)}: first token after ${turn.llm_first_token_ms - from} ms` + (turn.llm_end_ms === null ? "" : `, finished after ${turn.llm_end_ms - from} ms`));
    }
    if (turn.tts_first_audio_ms !== null) {
      const from = turn.llm_first_token_ms === null ? turn.tts_first_audio_ms : Math.min(turn.llm_first_token_ms, turn.tts_first_audio_ms);
      box(g, lane("tts"), from, turn.tts_first_audio_ms, "tts", "", `${named(turn)}: first audio ${turn.tts_first_audio_ms - from} ms after the first token`);
    }
    if (turn.voice_to_voice_ms !== null && turn.speech_end_ms !== null && turn.bot_start_ms !== null) {
      const slow = `${turn.voice_to_voice_ms} ms`;
      box(g, lane("v2v"), turn.speech_end_ms, turn.bot_start_ms, "muted", "", `${named(turn)}: ${slow} from the caller's last word to the bot's first audio\n` + turn.stages.map((stage) => `${stage.name} ${stage.to_ms - stage.from_ms} ms`).join("\n"));
      g.fillStyle = colours.text;
      g.fillText(slow, x(turn.bot_start_ms) + 6, lane("v2v").top + lane("v2v").height / 2 + 0.5);
    }
    if (turn.bot_start_ms !== null && turn.bot_stop_ms !== null) {
      box(g, lane("speech"), turn.bot_start_ms, turn.bot_stop_ms, "bot", turn.bot_text, `${named(turn)}: the bot spoke ${turn.bot_stop_ms - turn.bot_start_ms} ms` + (turn.interrupted ? ", cut off by the caller" : "") + `\n${turn.bot_text}`);
    }
    if (turn.clear_ms !== null) marker(g, x(turn.clear_ms), "barge-in", turn.clear_ms, `${named(turn)}: barge-in, playback flushed` + (turn.barge_in_ms === null ? "" : ` ${turn.barge_in_ms} ms after the caller was noticed`));
  }

  function marker(g, at, text, at_ms, about) {
    const first = lane("caller").top, last = lane("bot").top + lane("bot").height, size = g.measureText(text).width + 10;
    g.fillStyle = colours.bad;
    g.fillRect(at - 1, first, 2, last - first);
    g.beginPath();
    g.roundRect(at, first, size, 16, [0, 4, 4, 0]);
    g.fill();
    g.fillStyle = colours.on;
    g.fillText(text, at + 5, first + 8.5);
    spots.push({ left: at - 4, right: at + 4, top: first, bottom: last, at_ms, about }, { left: at, right: at + size, top: first, bottom: first + 16, at_ms, about });
  }

  function drawKeys(g) {
    const row = lane("caller"), height = 22, top = row.top + (row.height - height) / 2;
    const keyed = call.keys.length ? call.keys : call.turns.filter((turn) => turn.trigger === "dtmf").map((turn) => ({ digits: turn.user_text.replace(/^DTMF: /, ""), from_ms: turn.turn_end_ms, to_ms: turn.turn_end_ms }));
    for (const entry of keyed) {
      const left = x(entry.from_ms), right = x(entry.to_ms), digits = [...entry.digits];
      const step = digits.length > 1 ? (right - left) / (digits.length - 1) : 0;
      const keys = step >= 16 ? digits.map((digit, at) => [digit, left + at * step]) : [[entry.digits, (left + right) / 2]];
      for (const [text, at] of keys) {
        const size = Math.max(g.measureText(text).width + 10, step >= 16 ? 16 : right - left + 10);
        g.fillStyle = colours.panel;
        g.strokeStyle = colours.caller;
        g.beginPath();
        g.roundRect(at - size / 2, top, size, height, 4);
        g.fill();
        g.stroke();
        g.fillStyle = colours.caller;
        g.textAlign = "center";
        g.fillText(text, at, top + height / 2 + 0.5);
        g.textAlign = "left";
        spots.push({ left: at - size / 2, right: at + size / 2, top, bottom: top + height, at_ms: entry.from_ms, about: `keys ${entry.digits}, from ${seconds(entry.from_ms)} to ${seconds(entry.to_ms)}` });
      }
    }
  }

  function drawTools(g) {
    const row = lane("tools");
    for (const message of call.messages) {
      for (const tool of message.tools) {
        const size = g.measureText(tool.name).width + 12, at = x(message.at_ms);
        if (at + size < GUTTER || at > width()) continue;
        const left = Math.min(at, Math.max(width() - size, GUTTER));
        g.fillStyle = colours.llm;
        g.beginPath();
        g.roundRect(left, row.top, size, row.height, 4);
        g.fill();
        g.fillStyle = colours.on;
        g.fillText(tool.name, left + 6, row.top + row.height / 2 + 0.5);
        spots.push({ left, right: left + size, top: row.top, bottom: row.top + row.height, at_ms: message.at_ms, about: `tool call at ${seconds(message.at_ms)}\n${tool.name}(${tool.arguments})` });
      }
    }
  }

  function drawLanes() {
    spots = [];
    const g = prepare(lanes, HEIGHT);
    g.save();
    g.beginPath();
    g.rect(GUTTER, 0, width() - GUTTER, HEIGHT);
    g.clip();
    drawAxis(g);
    call.statuses.forEach((move, at) => {
      const next = call.statuses[at + 1], to = next ? next.at_ms : Math.max(call.duration_ms, move.at_ms + 1);
      box(g, lane("status"), move.at_ms, to, STATUS[move.status] || "muted", move.status, `${move.status} at ${seconds(move.at_ms)}`);
    });
    for (const side of ["caller", "bot"]) {
      const row = lane(side);
      g.fillStyle = colours[side + "-soft"];
      for (const [from, to] of call.audible[side]) g.fillRect(x(from), row.top, Math.max(x(to) - x(from), 1), row.height);
      waveform(g, side, GUTTER, Math.floor(width()), view.from, view.to, row.top + row.height / 2, row.height / 2 - 2);
    }
    call.turns.forEach((turn, at) => drawTurn(g, turn, call.turns[at + 1]));
    drawKeys(g);
    drawTools(g);
    g.restore();
    g.textAlign = "right";
    for (const row of LANES) {
      g.fillStyle = row.key === "caller" || row.key === "bot" ? colours[row.key] : colours.muted;
      g.fillText(row.label, GUTTER - 12, row.top + row.height / 2);
    }
    if (x(head) >= GUTTER) {
      g.fillStyle = colours.text;
      g.fillRect(x(head) - 0.75, 0, 1.5, HEIGHT);
      g.beginPath();
      g.moveTo(x(head) - 6, 0);
      g.lineTo(x(head) + 6, 0);
      g.lineTo(x(head), 8);
      g.fill();
    }
  }

  function drawOverview() {
    const g = prepare(overview, 44), size = overview.clientWidth;
    const place = (ms) => ms / Math.max(call.duration_ms, 1) * size;
    g.fillStyle = colours.ground;
    g.fillRect(0, 0, size, 44);
    waveform(g, "caller", 0, size, 0, call.duration_ms, 13, 11);
    waveform(g, "bot", 0, size, 0, call.duration_ms, 32, 11);
    g.strokeStyle = colours.text;
    g.strokeRect(place(view.from) + 0.5, 0.5, Math.max(place(view.to) - place(view.from) - 1, 2), 43);
    g.fillStyle = colours.text;
    g.fillRect(place(head), 0, 1.5, 44);
  }

  const rows = [], turnRows = [];
  function draw() {
    drawLanes();
    drawOverview();
    $("clock").textContent = `${seconds(head)} / ${seconds(call.duration_ms)}`;
    const said = head > 0 ? rows.findLastIndex((row) => row.role !== "system" && row.at_ms <= head) : -1;
    rows.forEach((row, at) => row.element.classList.toggle("now", at === said));
    const turn = head > 0 ? currentTurn(head) : -1;
    turnRows.forEach((row, at) => row.classList.toggle("now", at === turn));
  }

  function show(from, to) {
    const longest = Math.max(call.duration_ms, 1), size = clamp(to - from, Math.min(40, longest), longest);
    view.from = clamp(from, 0, longest - size);
    view.to = view.from + size;
    draw();
  }
  const zoom = (factor, at) => show(at - (at - view.from) * factor, at + (view.to - at) * factor);
  const focus = () => (head >= view.from && head <= view.to ? head : (view.from + view.to) / 2);
  const pan = (part) => show(view.from + (view.to - view.from) * part, view.to + (view.to - view.from) * part);
  function seek(ms) {
    head = clamp(ms, 0, call.duration_ms);
    if (audio.readyState > 0) audio.currentTime = head / 1000;
    if (head < view.from || head > view.to) show(head - (view.to - view.from) / 2, head + (view.to - view.from) / 2);
    else draw();
  }
  function reveal(turn) {
    const from = beginning(turn), to = ending(turn), margin = Math.max((to - from) * 0.15, 200);
    show(from - margin, to + margin);
    seek(from);
  }
  function step(by) {
    const now = currentTurn(head), turn = call.turns[clamp(head > 0 || by < 0 ? now + by : 0, 0, call.turns.length - 1)];
    if (turn) reveal(turn);
  }

  function tick() {
    head = Math.min(audio.currentTime * 1000, call.duration_ms);
    if ($("follow").checked && (head > view.to - (view.to - view.from) * 0.1 || head < view.from)) {
      show(head - (view.to - view.from) * 0.1, head + (view.to - view.from) * 0.9);
    } else {
      draw();
    }
    if (!audio.paused) requestAnimationFrame(tick);
  }
  const toggle = () => { if (!$("play").disabled) (audio.paused ? audio.play() : audio.pause()); };

  const element = (tag, kind, text) => {
    const made = document.createElement(tag);
    if (kind) made.className = kind;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const median = (values) => values.length ? values.sort((a, b) => a - b)[Math.ceil(values.length / 2) - 1] : null;

  function fill() {
    const v2v = call.turns.map((turn) => turn.voice_to_voice_ms).filter((value) => value !== null);
    const barge = call.turns.map((turn) => turn.barge_in_ms).filter((value) => value !== null);
    const card = (name, value, unit, about) => {
      const made = element("div", "card"), number = element("p", "value", value);
      number.append(element("small", "", unit));
      made.append(element("h3", "", name), number, element("p", "muted", about));
      $("cards").append(made);
    };
    const tools = call.messages.reduce((sum, one) => sum + one.tools.length, 0);
    const count = (number, noun) => `${number} ${noun}${number === 1 ? "" : "s"}`;
    card("call", (call.duration_ms / 1000).toFixed(1), "s", `${count(call.turns.length, "turn")}, ${count(tools, "tool call")}`);
    if (v2v.length) {
      card("voice to voice", median([...v2v]), "ms median", `${Math.min(...v2v)} to ${Math.max(...v2v)} ms over ${count(v2v.length, "turn")}`);
      const spent = {};
      for (const turn of call.turns) {
        if (turn.voice_to_voice_ms === null) continue;
        for (const stage of turn.stages) spent[stage.name] = (spent[stage.name] || 0) + stage.to_ms - stage.from_ms;
      }
      const order = Object.entries(spent).sort((a, b) => b[1] - a[1]), all = order.reduce((sum, one) => sum + one[1], 0);
      const share = (one) => `${one[0]} ${Math.round(one[1] / all * 100)} %`;
      if (all) card("most of it spent on", order[0][0], `${Math.round(order[0][1] / all * 100)} %`, order.slice(1).map(share).join(", ") || "nothing else");
    }
    if (barge.length) card("barge-in", median([...barge]), "ms to flush", `after the caller was noticed, ${count(barge.length, "time")}`);
    lanes.setAttribute("aria-label", `Timeline of ${(call.duration_ms / 1000).toFixed(1)} seconds: waveforms of caller and bot, speech, stages and tool calls of ${count(call.turns.length, "turn")}. The tables below say the same in words.`);

    for (const [name, colour] of Object.entries(STAGES)) {
      const entry = element("span"), mark = element("i");
      mark.style.background = `var(--${colour})`;
      entry.append(mark, name);
      $("legend").append(entry);
    }
    const longest = Math.max(...call.turns.map((turn) => answer(turn) ?? 0), 1);
    for (const turn of call.turns) {
      const row = element("button", "turn"), text = element("span", "text"), fall = element("span", "waterfall"), total = element("span", "total");
      row.append(element("span", "number", String(turn.turn)));
      if (turn.user_text) text.append(element("span", "said", turn.user_text));
      else text.append(element("span", "about", words(turn.trigger)));
      if (turn.bot_text) {
        const heard = element("span", "heard", turn.bot_text);
        if (turn.interrupted) heard.append(element("span", "tag", "cut off"));
        text.append(heard);
      }
      const start = turn.stages.length ? turn.stages[0].from_ms : 0;
      for (const stage of turn.stages) {
        const size = Math.round(stage.to_ms - stage.from_ms), share = (stage.to_ms - stage.from_ms) / longest;
        const part = element("i", "", share > 0.25 ? `${stage.name} ${size} ms` : share > 0.035 ? String(size) : "");
        part.style.cssText = `left:${(stage.from_ms - start) / longest * 100}%;width:${share * 100}%;background:var(--${STAGES[stage.name]})`;
        fall.append(part);
      }
      fall.title = turn.stages.map((stage) => `${stage.name}: ${Math.round(stage.to_ms - stage.from_ms)} ms`).join("\n");
      if (turn.voice_to_voice_ms !== null) total.append(String(turn.voice_to_voice_ms), element("small", "", "ms voice to voice"));
      else if (answer(turn) !== null) total.append(String(answer(turn)), element("small", "", "ms to first sound"));
      row.append(text, fall, total);
      row.addEventListener("click", () => reveal(turn));
      $("turns").append(row);
      turnRows.push(row);
    }
    const line = (message, kind, role, content) => {
      const made = element("button", `row ${kind}`), body = element("span", "content", content);
      if (message.interrupted) body.append(element("span", "tag", "cut off"));
      made.append(element("span", "time", seconds(message.at_ms)), element("span", "role", role), body);
      made.addEventListener("click", () => seek(message.at_ms));
      $("transcript").append(made);
      rows.push({ element: made, role: message.role, at_ms: message.at_ms });
    };
    const roles = { user: "caller", assistant: "bot", tool: "result" };
    for (const message of call.messages) {
      if (message.content || !message.tools.length) line(message, message.role, roles[message.role] || message.role, message.content);
      for (const tool of message.tools) line(message, "call", "tool", `${tool.name}(${tool.arguments})`);
    }
  }

  let drag = null;
  lanes.addEventListener("pointerdown", (event) => {
    drag = { x: event.clientX, from: view.from, to: view.to, moved: false };
    lanes.setPointerCapture(event.pointerId);
  });
  lanes.addEventListener("pointermove", (event) => {
    const edge = lanes.getBoundingClientRect(), px = event.clientX - edge.left, py = event.clientY - edge.top;
    if (drag) {
      const shift = (drag.x - event.clientX) / (width() - GUTTER) * (drag.to - drag.from);
      drag.moved = drag.moved || Math.abs(drag.x - event.clientX) > 3;
      if (drag.moved) show(drag.from + shift, drag.to + shift);
    }
    const spot = [...spots].reverse().find((one) => px >= one.left && px <= one.right && py >= one.top && py <= one.bottom);
    tip.hidden = !spot || Boolean(drag && drag.moved);
    if (spot) {
      tip.textContent = spot.about;
      tip.style.left = clamp(px + 24, 0, width() - 320) + "px";
      tip.style.top = lanes.offsetTop + py + 18 + "px";
    }
  });
  lanes.addEventListener("pointerup", (event) => {
    const px = event.clientX - lanes.getBoundingClientRect().left;
    if (drag && !drag.moved && px >= GUTTER) seek(time(px));
    drag = null;
  });
  lanes.addEventListener("pointerleave", () => { tip.hidden = true; });
  lanes.addEventListener("wheel", (event) => {
    const px = event.clientX - lanes.getBoundingClientRect().left;
    const sideways = event.shiftKey ? event.deltaY || event.deltaX : event.deltaX;
    if (event.ctrlKey || event.metaKey) zoom(Math.exp(event.deltaY / 300), time(Math.max(px, GUTTER)));
    else if (Math.abs(sideways) > Math.abs(event.shiftKey ? 0 : event.deltaY)) pan(sideways / width());
    else return;
    event.preventDefault();
  }, { passive: false });
  const jump = (event) => {
    const at = (event.clientX - overview.getBoundingClientRect().left) / overview.clientWidth * call.duration_ms;
    const half = (view.to - view.from) / 2;
    show(at - half, at + half);
  };
  overview.addEventListener("pointerdown", (event) => { overview.setPointerCapture(event.pointerId); jump(event); });
  overview.addEventListener("pointermove", (event) => { if (event.buttons) jump(event); });

  $("play").addEventListener("click", toggle);
  $("zoom-in").addEventListener("click", () => zoom(0.5, focus()));
  $("zoom-out").addEventListener("click", () => zoom(2, focus()));
  $("fit").addEventListener("click", () => show(0, call.duration_ms));
  const KEYS = {
    " ": toggle, "+": () => zoom(0.5, focus()), "=": () => zoom(0.5, focus()), "-": () => zoom(2, focus()),
    0: () => show(0, call.duration_ms), ArrowLeft: () => pan(-0.2), ArrowRight: () => pan(0.2),
    n: () => step(1), p: () => step(-1), Home: () => seek(0), End: () => seek(call.duration_ms),
  };
  document.addEventListener("keydown", (event) => {
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key, act = KEYS[key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    // The space bar belongs to the button or box that has the focus.
    if (key === " " && ["BUTTON", "INPUT"].includes(event.target.tagName)) return;
    event.preventDefault();
    act();
  });
  audio.addEventListener("play", () => { $("play").textContent = "\u275a\u275a Pause"; tick(); });
  audio.addEventListener("pause", () => { $("play").textContent = "\u25b6 Play"; draw(); });
  audio.addEventListener("loadedmetadata", () => {
    $("play").disabled = false;
    audio.currentTime = head / 1000;
  });
  audio.addEventListener("error", () => { $("trouble").textContent = `no sound: ${decodeURIComponent(call.recording)} is not beside this page`; });
  if (call.recording) audio.src = call.recording;
  else $("play").hidden = true;
  window.addEventListener("resize", draw);
  window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { readColours(); draw(); });
  readColours();
  fill();
  draw();
})();
