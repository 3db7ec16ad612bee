// Five daemons and a browser for the tests of one file.

import { after, before } from "node:test";
import { launch, Visit } from "./browser.mjs";
import { Five } from "./daemons.mjs";

export function suite(options = {}) {
  const world = { five: null, browser: null };
  before(async () => {
    world.browser = await launch();
    if (options.daemons !== false) world.five = await Five.start(options);
  });
  after(async () => {
    await Promise.all([world.browser?.close(), world.five?.stop()]);
  });

  /** Runs a test with a page of alice's daemon; a failure leaves a picture behind. */
  world.page = (options, test) => async (t) => {
    const visit = await Visit.open(world.browser, { origin: world.five?.alice.origin, ...options });
    let failed = true;
    try {
      if (options.enter !== false) await visit.enter(await world.five.alice.link());
      await test(visit, t, world.five);
      await visit.clean();
      failed = false;
    } finally {
      if (failed) await visit.shot(`failed-${t.name.replace(/\W+/g, "-").slice(0, 50)}`).catch(() => {});
      await visit.context.close();
    }
  };
  return world;
}
