// SPDX-License-Identifier: MIT
/**
 * A client of `chat.v1.json` for browsers: one file without dependencies, to copy from. 64-bit
 * numbers (id, seq, prev, before, after, re, ...) are strings of digits; compare them by BigInt.
 *
 *     const client = new ChatClient("wss://chat.example.org", () => fetchToken(), {device});
 *     client.addEventListener("msg", (event) => show(event.detail));
 *     client.start();
 *     const {id, seq} = await client.send({to: "bob"}, "hello");
 *     const {rows} = await client.request("history", {to: "bob", limit: 20});
 *
 * It connects again by itself, sends again what has no answer, in order and under the same cid, and
 * gives each record once. Events: "state" (detail: {state, code, text, retry_ms}), and each frame
 * that is no answer under its name: msg chat change note marker setting blocked receipt presence typing resumed.
 * Behind each "typing" comes one "typing_ended" with {chat, user}: after 5 s without another, with
 * a message of the user, or with the end of the connection.
 */

const STREAM = new Set(["msg", "chat", "change", "note", "marker", "setting", "blocked"]);
const LATER = new Set(["rate_limited", "busy", "no_memory", "clock", "no_lease", "storage_full"]);
/** Close codes behind which something must change before a new attempt. */
const FINAL = new Map([[1008, "unauthorized"], [4001, "expired"], [4003, "replaced"], [4007, "removed"]]);
const REFUSED = new Set([...FINAL.values(), "version"]);
const STABLE_MS = 10000;
const MAX_WAIT_MS = 30000;
const CONNECT_MS = 10000;
const ANSWER_MS = 30000;
const MAX_OUTBOX = 1000;
const TYPING_MS = 5000;
const MAX_TYPISTS = 64;

export class ChatError extends Error {
    constructor(code, text, retryMs) {
        super(text ? `${code}: ${text}` : code);
        this.name = "ChatError";
        this.code = code;
        this.retryMs = retryMs ?? 0;
    }
}

export class ChatClient extends EventTarget {
    #url; #token; #device; #agent; #firstWaitMs; #waitMs; #socket = null; #isOn = false;
    #openedAt = 0; #timer = null; #heartbeat = null; #bye = null; #lastHeardAt = 0;
    #count = 0; #acked = 0; #isAckDue = false; #pausedUntil = 0; #pauseTimer = null;
    #outbox = new Map(); #requests = new Map(); #mine = new Set(); #lastSeq = new Map(); #filling = new Map(); #r = 0;
    #typists = new Map(); #resumed = null; #isReset = false; #missing = null;

    /** `token` is a JWT or a function that gives one, or a promise of one, for each connection. */
    constructor(url, token, {device = "web", agent = "libchat-js", firstWaitMs = 1000} = {}) {
        super();
        this.#url = url;
        this.#token = token;
        this.#device = device;
        this.#agent = agent;
        this.#firstWaitMs = this.#waitMs = firstWaitMs;
    }

    get isOnline() { return this.#isOn; }

    /** Connect, now; also when the network came back ("online" of window) or the token changed. */
    async start() {
        this.#drop();
        this.#tell("connecting");
        const mine = {};
        this.#socket = mine;  // a later start() or stop() while the token is fetched wins
        try {
            const token = typeof this.#token === "function" ? await this.#token() : this.#token;
            if (this.#socket !== mine) return;
            const socket = new WebSocket(this.#url, ["chat.v1.json", `chat.jwt.${token}`]);
            this.#socket = socket;
            socket.onopen = () => this.#write({t: "hello", device: this.#device, agent: this.#agent});
            socket.onmessage = (event) => this.#take(JSON.parse(event.data));
            socket.onclose = (event) => this.#lost(socket, event);
            // A close follows at once, with a code; but some that are no browser leave it out.
            socket.onerror = () => setTimeout(() => this.#lost(socket, {code: 1006}), 0);
            this.#timer = setTimeout(() => this.#lost(socket, {code: 1006}), CONNECT_MS);
        } catch (error) {
            if (this.#socket === mine) this.#lost(mine, {code: 1006, reason: String(error)});
        }
    }

    /** Leave. What waits for an answer is rejected. */
    stop() {
        clearTimeout(this.#pauseTimer);
        this.#ack();
        this.#drop();
        for (const one of this.#outbox.values()) one.reject(new ChatError("closed"));
        this.#outbox.clear();
        this.#tell("closed");
    }

    /**
     * Send a message to `{chat}` or `{to}`; resolves with `sent` when it is durable. `fields` may
     * hold `re`, the id of the message that this is a reply to.
     */
    send(target, body, fields = {}) {
        if (this.#outbox.size >= MAX_OUTBOX)
            return Promise.reject(new ChatError("busy", "too many messages wait for an answer"));
        const bytes = crypto.getRandomValues(new Uint8Array(16));
        const cid = Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
        return new Promise((resolve, reject) => {
            const frame = {t: "send", ...target, cid, body, ...fields};
            this.#outbox.set(cid, {frame, resolve, reject, isSent: false});
            this.#flush();
        });
    }

    /**
     * Any request of docs/protocol.md that takes `r`: resolves with `{rows, result}`. It belongs to
     * the connection: without one, or when it is lost, it is rejected; ask again.
     */
    request(type, fields = {}) {
        if (!this.#isOn) return Promise.reject(new ChatError("closed", "not connected"));
        const r = ++this.#r;
        return new Promise((resolve, reject) => {
            const timer = setTimeout(() => this.#fail(r, new ChatError("timeout")), ANSWER_MS);
            this.#requests.set(r, {rows: [], resolve, reject, timer});
            this.#write({t: type, r, ...fields});
        });
    }

    /** Tell the others that I am typing; nothing happens without a connection. */
    typing(target) {
        if (this.#isOn) this.#write({t: "typing", ...target});
    }

    #write(frame) { this.#socket.send(JSON.stringify(frame)); }

    #emit(type, detail) { this.dispatchEvent(new CustomEvent(type, {detail})); }

    #tell(state, more = {}) { this.#emit("state", {state, ...more}); }

    #take(frame) {
        this.#lastHeardAt = Date.now();
        if (frame.r !== undefined) return this.#answer(frame);
        if (STREAM.has(frame.t)) return this.#stream(frame);
        if (frame.t === "welcome") return this.#welcome(frame);
        if (frame.t === "sent" || (frame.t === "error" && frame.cid)) return this.#sent(frame);
        if (frame.t === "bye") { this.#bye = frame; return undefined; }
        if (frame.t === "resumed") return this.#onResumed(frame);
        if (frame.t === "typing") return this.#onTyping(frame);
        if (frame.t === "gap") return this.#fill(frame);
        if (frame.t !== "pong") this.#emit(frame.t, frame);
        return undefined;
    }

    #welcome(frame) {
        clearTimeout(this.#timer);
        this.#isOn = true;
        this.#openedAt = Date.now();
        this.#count = this.#acked = 0;
        this.#bye = null;
        this.#heartbeat = setInterval(() => this.#beat(frame.heartbeat_ms), frame.heartbeat_ms / 2);
        for (const one of this.#outbox.values())
            if (one.isSent) { one.frame.resend = true; one.isSent = false; }
        this.#tell("online", {welcome: frame});
        this.#flush();
    }

    #beat(heartbeatMs) {
        if (Date.now() - this.#lastHeardAt > 2 * heartbeatMs)
            return this.#lost(this.#socket, {code: 1006, reason: "the server is silent"});
        return this.#write({t: "ping"});
    }

    #flush() {
        if (!this.#isOn || Date.now() < this.#pausedUntil) return;
        for (const one of this.#outbox.values())
            if (!one.isSent) { one.isSent = true; this.#write(one.frame); }
    }

    /** `sent`, or an error of a message. "Later" means all of them, so that order is kept. */
    #sent(frame) {
        const one = this.#outbox.get(frame.cid);
        if (!one) return;
        if (frame.t === "error" && LATER.has(frame.code)) {
            one.isSent = false;
            one.frame.resend = true;
            this.#pause(frame.retry_after_ms || 1000);
            return;
        }
        this.#outbox.delete(frame.cid);
        if (frame.t === "sent") { this.#remember(frame.cid); one.resolve(frame); }
        else one.reject(new ChatError(frame.code, frame.text));
    }

    /** A message of mine comes back when the connection that sent it is lost: it is no news. */
    #remember(cid) {
        this.#mine.add(cid);
        if (this.#mine.size > MAX_OUTBOX) this.#mine.delete(this.#mine.values().next().value);
    }

    #pause(ms) {
        this.#pausedUntil = Math.max(this.#pausedUntil, Date.now() + ms);
        clearTimeout(this.#pauseTimer);
        this.#pauseTimer = setTimeout(() => this.#flush(), this.#pausedUntil - Date.now() + 1);
    }

    #answer(frame) {
        const one = this.#requests.get(frame.r);
        if (!one) return;
        if (frame.t === "error") {
            this.#fail(frame.r, new ChatError(frame.code, frame.text, frame.retry_after_ms));
        } else if (frame.t === "result" || frame.t === "pong") {
            clearTimeout(one.timer);
            this.#requests.delete(frame.r);
            one.resolve({rows: one.rows, result: frame});
        } else {
            one.rows.push(frame);
        }
    }

    #fail(r, error) {
        const one = this.#requests.get(r);
        clearTimeout(one.timer);
        this.#requests.delete(r);
        one.reject(error);
    }

    /** Counted even when it was seen before: the number says what came over this connection. */
    #stream(frame) {
        this.#count++;
        const filling = this.#filling.get(frame.chat);
        if (filling) filling.upTo = BigInt(frame.seq);  // history will come to it
        else this.#give(frame);
        if (this.#isAckDue) return;
        this.#isAckDue = true;
        queueMicrotask(() => { this.#isAckDue = false; this.#ack(); });
    }

    #give(frame) {
        const seq = BigInt(frame.seq), last = this.#lastSeq.get(frame.chat) ?? 0n;
        if (seq <= last) return;
        this.#lastSeq.set(frame.chat, seq);
        const isMine = this.#outbox.has(frame.cid) || this.#mine.delete(frame.cid);
        if (frame.t !== "msg" || !isMine) this.#emit(frame.t, frame);
        if (frame.t === "msg") this.#endTyping(JSON.stringify([frame.chat, frame.from]));
    }

    #ack() {
        if (!this.#isOn || this.#acked === this.#count) return;
        this.#acked = this.#count;
        this.#write({t: "ack", n: this.#count});
    }

    /** Fetch from history what the server did not send, and what comes meanwhile, in order. */
    async #fill({chat, after, before}) {
        const filling = {upTo: 0n}, known = this.#lastSeq.get(chat) ?? 0n, start = BigInt(after);
        let from = known > start ? known : start, error = null;
        const first = from;
        this.#filling.set(chat, filling);
        try {
            for (let isMore = true; isMore;) {
                const fields = {chat, after: String(from), limit: 100};
                const {rows, result} = await this.request("history", fields);
                for (const row of rows) this.#give(row);
                if (rows.length) from = BigInt(rows[rows.length - 1].seq);
                isMore = rows.length > 0 && (result.more || filling.upTo > from);
            }
        } catch (failure) { error = failure; }
        if (this.#filling.get(chat) !== filling) return;  // the next `hello` is told of the gap again
        this.#filling.delete(chat);
        if (error || (from === first && from < BigInt(before) - 1n)) this.#missing ??= {chat, after, before};
        if (!error) {
            this.#acked = this.#count;
            this.#write({t: "ack", n: this.#count, chat, seq: String(from)});
        }
        this.#tellResumed();
    }

    #onTyping(frame) {
        const key = JSON.stringify([frame.chat, frame.user]), known = this.#typists.get(key);
        if (!known && this.#typists.size >= MAX_TYPISTS) return;  // none is without its end
        clearTimeout(known);
        this.#typists.set(key, setTimeout(() => this.#endTyping(key), TYPING_MS));
        this.#emit("typing", frame);
    }

    #endTyping(key) {
        if (!this.#typists.has(key)) return;
        const [chat, user] = JSON.parse(key);
        clearTimeout(this.#typists.get(key));
        this.#typists.delete(key);
        this.#emit("typing_ended", {chat, user});
    }

    /** The server says it once a connection; what it said and was not told goes into the next one's. */
    #onResumed(frame) {
        this.#resumed = frame;
        if (frame.state === "reset") this.#isReset = true;
        this.#tellResumed();
    }

    /** When all gaps are filled: then everything that was missed was given. */
    #tellResumed() {
        if (!this.#resumed || this.#filling.size) return;
        const state = this.#isReset ? "reset" : this.#missing ? "gap" : "recovered";
        const detail = {...this.#resumed, state, ...this.#missing};
        this.#resumed = this.#missing = null;
        this.#isReset = false;
        this.#emit("resumed", detail);
    }

    /** Forget the connection; nothing of it is heard any more. */
    #drop() {
        this.#resumed = null;
        this.#filling.clear();
        for (const key of [...this.#typists.keys()]) this.#endTyping(key);
        const socket = this.#socket;
        clearTimeout(this.#timer);
        this.#socket = null;
        this.#isOn = false;
        clearInterval(this.#heartbeat);
        for (const r of [...this.#requests.keys()]) this.#fail(r, new ChatError("closed"));
        if (!socket) return;
        socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null;
        socket.close?.();
    }

    #lost(socket, {code, reason}) {
        if (socket !== this.#socket) return;
        const bye = this.#bye, wasStable = this.#isOn && Date.now() - this.#openedAt > STABLE_MS;
        this.#bye = null;
        this.#drop();
        const why = bye?.code ?? FINAL.get(code);
        const canRenew = why === "expired" && typeof this.#token === "function";
        if (!canRenew && REFUSED.has(why)) {
            this.#tell("refused", {code: why, text: bye?.text ?? reason});
            return;
        }
        if (wasStable) this.#waitMs = this.#firstWaitMs;
        const wait = bye?.retry_after_ms || this.#waitMs * (0.8 + 0.4 * Math.random());
        this.#waitMs = Math.min(2 * this.#waitMs, MAX_WAIT_MS);
        this.#timer = setTimeout(() => this.start(), wait);
        this.#tell("waiting", {code: why ?? "network", text: bye?.text ?? reason, retry_ms: wait});
    }
}
