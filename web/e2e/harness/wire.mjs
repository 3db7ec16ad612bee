// What lies between browser and daemon, so that it can be cut: a proxy that hands every request on.

import { createServer, request } from "node:http";

export class Wire {
  #server;
  #sockets = new Set();
  #port = 0;

  static async open() {
    const wire = new Wire();
    await wire.mend();
    return wire;
  }

  get address() {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Closes every connection; new ones are refused. */
  async cut() {
    if (!this.#server?.listening) return;
    const closed = new Promise((done) => this.#server.close(done));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async mend() {
    this.#server = createServer((asked, answer) => {
      const on = request(asked.url, { method: asked.method, headers: asked.headers, agent: false }, (got) => {
        answer.writeHead(got.statusCode, got.headers);
        got.on("error", () => answer.destroy()).pipe(answer);
      });
      on.on("error", () => answer.destroy());
      answer.on("close", () => on.destroy());
      asked.pipe(on);
    });
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
    });
    await new Promise((done, failed) => this.#server.once("error", failed).listen(this.#port, "127.0.0.1", done));
    this.#port = this.#server.address().port;
  }
}
