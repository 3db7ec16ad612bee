// Puts the page together.

import "./style/page.css";
import "./style/network.css";
import "./style/panels.css";
import { whenOver } from "./api";
import type { App } from "./app";
import { Card } from "./card";
import { byId } from "./dom";
import { shutLeft, shutOut, shutOver } from "./gate";
import { help, listen } from "./keyboard";
import { Picture } from "./network/picture";
import { filesPanel } from "./panels/files";
import { lettersPanel } from "./panels/letters";
import { logPanel } from "./panels/log";
import { peersPanel } from "./panels/peers";
import { relaysPanel } from "./panels/relays";
import { transfersPanel } from "./panels/transfers";
import { Polled } from "./poll";
import { searchBox } from "./search";
import { enter, keyInAddress, leave } from "./session";
import type { Peer } from "./shapes";
import { StatusLine } from "./status";
import { Store } from "./store";
import { follow } from "./stream";
import { Tabs } from "./tabs";
import { TextTable } from "./texttable";
import { followTheme, switchTheme } from "./theme";
import { announce, tellNews } from "./toast";
import { pictureTools, topControls } from "./tools";

function build(store: Store, left: AbortController): void {
  const picture = new Picture(byId("picture"), {
    choose: (id, byKey) => {
      app.choose(id);
      if (byKey) card.focus();
    },
    visit: (name, node) => announce(`${name}, ${node.row.state}`),
  });
  const app: App = {
    store,
    picture,
    choose: (id) => {
      picture.select(id);
      card.open(id);
      tabs.update(store.state, store.state);
    },
    showTab: (name) => tabs.show(name),
    writeTo: (id) => {
      tabs.show("letters");
      letters.writeTo(id);
    },
  };
  const peers = new Polled<{ peers: Peer[] }>("peers", () => tabs.isShown("peers") || card.id !== "", () => {
    tabs.update(store.state, store.state);
    card.show();
  });
  const letters = lettersPanel(app, () => tabs.update(store.state, store.state));
  const panels = [
    peersPanel(app, peers),
    transfersPanel(app),
    filesPanel(app),
    letters,
    relaysPanel(app, () => tabs.isShown("relays")),
    logPanel(app),
  ];
  const card = new Card(app, peers);
  const tabs: Tabs = new Tabs(panels, () => store.state);
  tabs.show("peers");
  const text = new TextTable(app);
  const repaint = (): void => picture.repaint();
  const theme = (): void => switchTheme(repaint);
  const signOut = (): void => void leave().finally(() => {
    left.abort();
    shutLeft();
  });
  const controls = topControls({ search: searchBox(app), theme, help, leave: signOut });
  const status = new StatusLine(controls, () => store.state);
  pictureTools(picture, () => text.toggle());
  followTheme(repaint);
  listen({
    "/": () => byId("search").focus(),
    "?": help,
    Escape: () => {
      if (text.shown) return text.toggle();
      const back = card.hasFocus ? card.id : "";
      app.choose("");
      if (back) picture.focus(back);
    },
    f: () => picture.view.fit(),
    r: () => picture.arrange(),
    "+": () => picture.view.zoomBy(1.3),
    "-": () => picture.view.zoomBy(1 / 1.3),
    x: () => text.toggle(),
    t: theme,
    ...Object.fromEntries(panels.map((_, at) => [String(at + 1), () => tabs.showNumber(at + 1)])),
  });
  store.listen((state, before) => {
    status.update(state);
    picture.update(state, before);
    tabs.update(state, before);
    card.update(state, before);
    text.update(state, before);
    tellNews(state, before);
    const empty = byId("empty");
    empty.hidden = !(state.whole && state.nodes.size <= 1);
    empty.textContent = "This node is alone. Press Connect and give it the address of any other node.";
  });
}

async function begin(): Promise<void> {
  followTheme(() => undefined);
  const me = await enter();
  if (me === null) return shutOut();
  const store = new Store();
  whenOver(shutOver);
  const left = new AbortController();
  build(store, left);
  store.push({ name: "self", data: { id: me } });
  store.flush();
  await follow((event) => store.push(event), left.signal);
}

// A link opened where the page is already changes only what stands behind the #, which by itself loads nothing.
addEventListener("hashchange", () => keyInAddress() && location.reload());
void begin();
