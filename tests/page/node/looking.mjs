// Every view in light and dark, wide and on a phone: nothing that axe finds, nothing wider than the window.

import assert from 'node:assert/strict';
import { accessible, fits, says, shoot } from './parts.mjs';

const KINDS = [
  ['light', { colorScheme: 'light', viewport: { width: 1180, height: 820 } }],
  ['dark', { colorScheme: 'dark', viewport: { width: 1180, height: 820 } }],
  ['phone', { colorScheme: 'light', viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true }],
];

export async function run(parts) {
  const { world } = parts;
  for (const [kind, options] of KINDS) {
    await parts.part(`every view is accessible and fits: ${kind}`, async (open) => {
      const credentials = { locked: { token: 'wrong' } };
      const id = await parts.session({ servers: ['kitchen', 'locked', 'away'], credentials, name: 'Everything there is' });
      const page = await open(world.open);
      const look = async (name) => {
        await accessible(page, `${kind} ${name}`);
        await fits(page, `${kind} ${name}`);
        await shoot(page, `${kind}-${name}`);
      };
      await says(page, '.state', 'Does not answer');
      await page.locator('[data-provider=locked]').check();
      await look('build');
      await page.goto(`${world.open}/#/sessions`);
      await says(page, '.session-line', 'Everything there is');
      await look('sessions');
      await page.goto(`${world.open}/#/session/${id}`);
      await says(page, '[data-server=locked] .state', 'refused');
      await says(page, '[data-server=away] .state', 'Out of reach');
      await look('session');
      await page.goto(`${world.open}/#/session/${id}/connect`);
      await page.locator('.entry pre').waitFor();
      await look('connect');
      await page.goto(`${world.open}/#/session/${id}/live`);
      await says(page, '[role=status]', 'Requests show up');
      await look('live');
      await page.goto(`${world.open}/#/session/${id}/change`);
      await page.locator('[data-provider=kitchen]').waitFor();
      await look('change');
      await page.goto(`${world.open}/#/session/${id}/try`);
      await page.locator('[data-offer="kitchen.order"]').click();
      await page.getByText('Arguments, in words').click();
      await look('try');
      await page.locator('[data-offer="kitchen.ask"]').click();
      await page.locator('[data-run]').click();
      await page.locator('.question').waitFor();
      await look('question');
    }, options);
  }

  await parts.part('the switch changes the colours, and that is kept', async (open) => {
    const page = await open(world.open);
    const colour = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const light = await colour();
    await page.getByRole('button', { name: 'Use dark colours' }).click();
    const dark = await colour();
    assert.notEqual(light, dark);
    await accessible(page, 'switched to dark');
    await page.reload();
    assert.equal(await colour(), dark);
    await page.getByRole('button', { name: 'Use light colours' }).click();
    assert.equal(await colour(), light);
  }, { colorScheme: 'light' });
}
