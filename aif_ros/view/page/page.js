// The live page: draws what comes from the WebSocket, sends clicks and buttons.

const IMAGES = ["camera", "fused", "distance"];
const LENS_SECONDS = 20;
const RECONNECT_MS = 1000;

const byId = (id) => document.getElementById(id);
const images = {};   // kind -> {bitmap, stamp}
let socket = null;
let loop = null;       // state of the loop
let focus = null;      // window of the autofocus
let limits = [0, 1];   // of the lens, metres
let lens = [];         // [seconds, metres, moving]
let targets = [];      // [seconds, metres]

function send(command, fields = {}) {
  if (socket?.readyState === WebSocket.OPEN) {
    socket.send(JSON.stringify({ command, ...fields }));
  }
}

function connect() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  socket = new WebSocket(`${scheme}//${location.host}/live${location.search}`);
  socket.binaryType = "arraybuffer";
  socket.onopen = sendVisibility;
  socket.onclose = () => {
    setState("offline", "no connection to aif view");
    setTimeout(connect, RECONNECT_MS);
  };
  socket.onmessage = (event) => {
    if (typeof event.data === "string") {
      const { kind, value } = JSON.parse(event.data);
      handlers[kind]?.(value);
    } else {
      showImage(event.data);
    }
  };
}

// Images are made only while the page is visible.
function sendVisibility() { send("visibility", { visible: !document.hidden }); }
document.addEventListener("visibilitychange", sendVisibility);

async function showImage(data) {
  const head = new DataView(data);
  const kind = IMAGES[head.getUint8(0)];
  const stamp = head.getBigUint64(1, true);
  const bitmap = await createImageBitmap(new Blob([data.slice(9)], { type: "image/jpeg" }));
  if (images[kind] && images[kind].stamp > stamp
      && images[kind].stamp - stamp < 1_000_000_000n) {
    return;  // decoded out of order
  }
  images[kind] = { bitmap, stamp };
  draw(kind);
  const canvas = byId(kind);
  canvas.dataset.stamp = stamp;
  canvas.dataset.shown = performance.timeOrigin + performance.now();
  canvas.dataset.count = Number(canvas.dataset.count ?? 0) + 1;
  const note = byId(`${kind}-note`);
  if (note) { note.textContent = `${bitmap.width}×${bitmap.height}`; }
}

function draw(kind) {
  const image = images[kind];
  if (!image) { return; }
  const canvas = byId(kind);
  if (canvas.width !== image.bitmap.width || canvas.height !== image.bitmap.height) {
    canvas.width = image.bitmap.width;
    canvas.height = image.bitmap.height;
  }
  const context = canvas.getContext("2d");
  context.drawImage(image.bitmap, 0, 0);
  if (kind !== "distance") {
    drawWindow(context, loop?.window, "#ffc800");
    drawWindow(context, focus, "#35d0ff");
  }
}

function drawWindow(context, window, colour) {
  if (!window || !window.width) { return; }
  context.strokeStyle = colour;
  context.lineWidth = Math.max(2, context.canvas.width / 320);
  context.strokeRect(window.x, window.y, window.width, window.height);
}

function setState(state, reason, doubt = "") {
  byId("state").textContent = state;
  byId("state").className = `badge ${state}`;
  byId("reason").textContent = reason;
  byId("doubt").textContent = doubt;
}

const micrometres = (metres) => metres == null ? "–" : `${(metres * 1e6).toFixed(1)} µm`;

const handlers = {
  setup(value) {
    limits = value.limits ?? limits;
    byId("agent").replaceChildren(...value.agents.map((name) => new Option(name, name)));
    byId("agent").value = value.agent;
    byId("mode").value = value.mode;
  },
  state(value) {
    loop = value;
    // The window of the autofocus is of no interest while the loop moves the lens.
    if (value.state === "running") { focus = null; }
    setState(value.state, value.reason, value.doubt);
    const remaining = value.remaining_defocus;
    const rows = {
      "agent": value.agent,
      "frames captured": value.frames_captured,
      "remaining defocus": remaining == null ? "–" : `${(100 * remaining).toFixed(1)} %`,
      "lens position of the last frame": micrometres(value.position),
      "target": micrometres(value.target),
    };
    byId("numbers").replaceChildren(...Object.entries(rows).flatMap(([name, text]) => {
      const term = document.createElement("dt"), entry = document.createElement("dd");
      term.textContent = name;
      entry.textContent = text;
      return [term, entry];
    }));
    draw("fused");
    draw("camera");
  },
  focus(value) { focus = value; draw("fused"); draw("camera"); },
  lens(value) {
    lens.push(...value.states);
    targets.push(...value.targets);
    const newest = lens.at(-1)?.[0] ?? 0;
    lens = lens.filter(([time]) => time > newest - LENS_SECONDS && time <= newest + 1);
    targets = targets.filter(([time]) => time > newest - LENS_SECONDS);
    drawLens(newest);
  },
  diagnostics(value) {
    byId("diagnostics").replaceChildren(...value.map((status) => {
      const row = document.createElement("tr");
      row.className = status.level;
      for (const [name, text] of [
        ["level", status.level], ["name", status.name], ["message", status.message],
        ["values", Object.entries(status.values).map(([key, each]) => `${key}: ${each}`).join(", ")],
      ]) {
        const cell = row.insertCell();
        cell.className = name;
        cell.textContent = text;
      }
      return row;
    }));
  },
  answer(value) {
    byId("answer").textContent = value.message;
    byId("answer").className = value.success ? "" : "bad";
    byId("answer").dataset.command = value.command;
  },
};

function drawLens(newest) {
  const canvas = byId("lens"), context = canvas.getContext("2d");
  const { width, height } = canvas, left = 70, bottom = height - 22, top = 10;
  const [low, high] = limits;
  const x = (time) => left + (width - left - 8) * (1 - (newest - time) / LENS_SECONDS);
  const y = (position) => bottom - (bottom - top) * (position - low) / (high - low);
  context.clearRect(0, 0, width, height);
  context.font = "13px sans-serif";
  context.lineWidth = 1;
  for (const position of [low, (low + high) / 2, high]) {
    context.strokeStyle = "#333a42";
    context.beginPath();
    context.moveTo(left, y(position));
    context.lineTo(width - 8, y(position));
    context.stroke();
    context.fillStyle = "#98a2ad";
    context.textAlign = "right";
    context.fillText(`${(position * 1e6).toFixed(0)} µm`, left - 6, y(position) + 4);
  }
  context.textAlign = "center";
  for (let ago = 0; ago < LENS_SECONDS; ago += 5) {
    context.fillText(ago ? `−${ago} s` : "now", x(newest - ago) - (ago ? 0 : 14), height - 4);
  }
  context.lineWidth = 2;
  for (let i = 1; i < lens.length; i++) {
    context.strokeStyle = lens[i][2] ? "#ffc800" : "#35d0ff";
    context.beginPath();
    context.moveTo(x(lens[i - 1][0]), y(lens[i - 1][1]));
    context.lineTo(x(lens[i][0]), y(lens[i][1]));
    context.stroke();
  }
  context.fillStyle = "#ffffff";
  for (const [time, position] of targets) {
    context.fillRect(x(time) - 2, y(position) - 2, 4, 4);
  }
  const last = lens.at(-1);
  byId("lens-note").textContent = last
    ? `${micrometres(last[1])}, ${last[2] ? "moving" : "at rest"}; points: commands` : "";
}

for (const kind of ["fused", "camera"]) {
  byId(kind).addEventListener("click", (event) => {
    const canvas = event.currentTarget, box = canvas.getBoundingClientRect();
    send("focus", {
      x: Math.floor((event.clientX - box.left) * canvas.width / box.width),
      y: Math.floor((event.clientY - box.top) * canvas.height / box.height),
      width: canvas.width,
      height: canvas.height,
    });
  });
}
for (const button of document.querySelectorAll("button[data-command]")) {
  button.addEventListener("click", () => send(button.dataset.command));
}
byId("agent").addEventListener("change", (event) => send("agent", { value: event.target.value }));
byId("mode").addEventListener("change", (event) => send("mode", { value: event.target.value }));
connect();
