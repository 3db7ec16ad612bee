// What a person can do to a node, a transfer or a file; asks first where it hurts.

import { post } from "./api";
import { confirmed, formDialog } from "./dialog";
import { attempt, said } from "./toast";
import { count, rtt } from "./words";

type Steered = { id: string | null };

export async function ping(id: string, name: string): Promise<void> {
  await attempt(post<{ rtt_us: number }>("ping", { who: id }), ({ rtt_us }) => `${name} answered after ${rtt(rtt_us)}`);
}

export async function disconnect(id: string, name: string): Promise<void> {
  const words = `The link to ${name} is closed, and this node does not dial it again until you connect to it. Others keep their links.`;
  if (!(await confirmed(`Disconnect ${name}?`, words, "Disconnect"))) return;
  await attempt(post<Steered>("disconnect", { who: id }), () => `${name} is disconnected`);
}

export async function ban(id: string, name: string): Promise<void> {
  const words = `The link to ${name} is closed, and this node refuses it from now on, also after a restart, until you unban it. Other nodes decide for themselves.`;
  if (!(await confirmed(`Ban ${name}?`, words, "Ban"))) return;
  await attempt(post<Steered>("ban", { who: id }), () => `${name} is banned`);
}

export const unban = (id: string, name: string): Promise<unknown> =>
  attempt(post<Steered>("unban", { who: id }), () => `${name} may come in again`);

export const pin = (id: string, name: string): Promise<unknown> =>
  attempt(post<Steered>("pin", { who: id }), () => `${name} is pinned: this key is trusted`);

export const unpin = (id: string, name: string): Promise<unknown> =>
  attempt(post<Steered>("unpin", { who: id }), () => `Pins of ${name} are forgotten`);

export async function stopTransfer(number: number, name: string): Promise<void> {
  const words = `Nothing more of ${name} is fetched or hashed. What is here stays here; start it again to go on.`;
  if (!(await confirmed(`Stop transfer ${number}?`, words, "Stop"))) return;
  await attempt(post(`transfers/${number}/stop`), () => `Transfer ${number} is stopped`);
}

export async function forget(id: string, name: string): Promise<void> {
  const words = `${name} is given to nobody any more from this node. The file itself stays on the disk; share it again to give it.`;
  if (!(await confirmed(`Forget ${name}?`, words, "Forget"))) return;
  await attempt(post("forget", { file: id }), () => `${name} is forgotten`);
}

export function connect(): void {
  const words = "Dials another node. One address is enough: it tells of all others.";
  const fields = [{ name: "addr", label: "Address", hint: "192.0.2.7:8080 or host:port", required: true, max: 260 }];
  formDialog("Connect", words, fields, "Connect", async (data) => {
    const addr = String(data.get("addr")).trim();
    const done = await post<{ id: string }>("connect", { addr });
    said(`Connected with ${done.id.slice(0, 8)} at ${addr}`);
  });
}

export function shout(): void {
  const words = "Everyone in the network hears it, in their logs. For one reader, write a letter.";
  const fields = [{ name: "text", label: "What to say", required: true, max: 4000 }];
  formDialog("Shout", words, fields, "Shout", async (data) => {
    const { links } = await post<{ links: number }>("shout", { text: String(data.get("text")) });
    said(`Said to everyone, over ${count(links, "link")}`);
  });
}
