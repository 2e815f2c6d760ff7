// Watch sessions: states in words with a remedy, changes, deletion, two windows at once.

import assert from 'node:assert/strict';
import { says, shoot } from './parts.mjs';

export async function run(parts) {
  const { world } = parts;

  await parts.part('a wrong token is shown at its connection with what to do', async (open) => {
    const credentials = { locked: { token: 'wrong' } };
    const id = await parts.session({ servers: ['kitchen', 'locked', 'away'], credentials, name: 'supper' });
    const page = await open(world.open, `#/session/${id}`);
    const server = page.locator('[data-server=locked]');
    await says(page, '[data-server=locked] .state', 'The token was refused');
    await server.getByRole('link', { name: 'Where to get one' }).waitFor();
    await says(page, '[data-server=away] .state', 'Out of reach');
    await says(page, '[data-server=away]', 'tries again by itself');
    await says(page, '[data-server=away]', 'refused');
    await says(page, '[data-server=kitchen] .state', 'Connected');
    await shoot(page, 'states');
    await server.getByRole('link', { name: 'Give another token' }).click();
    await page.locator('[data-credential=locked]').fill(world.token);
    await page.locator('[data-provider=away]').uncheck();
    await page.getByRole('textbox', { name: 'Name', exact: true }).fill('late supper');
    await shoot(page, 'change');
    await page.getByRole('button', { name: 'Save changes' }).click();
    await says(page, 'h1', 'late supper');
    await says(page, '[data-server=locked] .state', 'Connected');
    assert.equal(await page.locator('[data-server=away]').count(), 0);
    assert.ok(!(await page.content()).includes(world.token));
  });

  await parts.part('a session offers the tools it chose, under the names it chose', async (open) => {
    const id = await parts.session({ servers: ['kitchen'], name: 'picky' });
    const page = await open(world.open, `#/session/${id}/change`);
    await page.getByText('More options').click();
    const life = page.getByRole('textbox', { name: 'Delete it when nobody used it for' });
    await life.fill('soon');
    await page.getByRole('textbox', { name: 'Never offer these tools of kitchen' }).fill('fail\ncho*');
    await page.getByRole('combobox', { name: 'How tools are named' }).selectOption('underscores');
    await page.getByRole('button', { name: 'Save changes' }).click();
    await page.locator('[data-field=idle_expiry][aria-invalid=true]').waitFor();
    await shoot(page, 'options');
    await life.fill('12h');
    await page.getByRole('button', { name: 'Save changes' }).click();
    await says(page, '[data-server=kitchen] .state', 'Connected');
    await page.getByRole('link', { name: 'Try it' }).click();
    await page.getByText('kitchen__echo').first().waitFor();
    assert.equal(await page.getByText('kitchen__fail').count(), 0);
    await page.getByRole('link', { name: 'Change' }).click();
    await page.getByText('More options').click();
    assert.equal(await page.locator('[data-field="tools.kitchen.deny"]').inputValue(), 'fail\ncho*');
    assert.equal(await life.inputValue(), '12h');
    // Whoever offers nothing must not offer all by hiding one tool more.
    await page.getByRole('combobox', { name: 'Tools of kitchen' }).selectOption('none');
    await page.getByRole('button', { name: 'Save changes' }).click();
    await says(page, '[data-server=kitchen] .state', 'Connected');
    assert.deepEqual((await parts.described(id)).tools, { kitchen: { allow: [], deny: ['fail', 'cho*'] } });
    await page.getByRole('link', { name: 'Change' }).click();
    await page.getByText('More options').click();
    const which = page.getByRole('combobox', { name: 'Tools of kitchen' });
    assert.equal(await which.inputValue(), 'none');
    await which.selectOption('all');
    await page.locator('[data-field="tools.kitchen.deny"]').fill('');
    await page.getByRole('button', { name: 'Save changes' }).click();
    await page.getByRole('link', { name: 'Try it' }).click();
    await page.getByText('kitchen__fail').first().waitFor();
  });

  await parts.part('two windows see what each other did', async (open) => {
    const id = await parts.session({ servers: ['kitchen'], name: 'shared' });
    const one = await open(world.open, `#/session/${id}/change`);
    const other = await open(world.open, `#/session/${id}`);
    await says(other, '[data-server=kitchen] .state', 'Connected');
    await one.bringToFront();
    await one.getByRole('textbox', { name: 'Name', exact: true }).fill('renamed');
    await one.locator('[data-provider=locked]').check();
    await one.locator('[data-credential=locked]').fill(world.token);
    const third = await open(world.open, `#/session/${id}/change`);
    await says(third, 'h1', 'shared');
    await one.bringToFront();
    await one.getByRole('button', { name: 'Save changes' }).click();
    await says(one, 'h1', 'renamed');
    // Whoever comes back to a window is not shown what was.
    await other.evaluate(() => dispatchEvent(new Event('focus')));
    await says(other, 'h1', 'renamed');
    await says(other, '[data-server=locked]', 'tools');
    await third.evaluate(() => dispatchEvent(new Event('focus')));
    await says(third, '.notice', 'Somebody else changed this session');
    await shoot(third, 'changed-elsewhere');
    await third.bringToFront();
    await third.getByRole('button', { name: 'Start from how it is now' }).click();
    assert.ok(await third.locator('[data-provider=locked]').isChecked());

    // A window in the back draws once a second.
    await one.bringToFront();
    await one.getByRole('button', { name: 'Delete session' }).click();
    await one.getByRole('button', { name: 'Keep it' }).click();
    await one.getByRole('button', { name: 'Delete session' }).click();
    await shoot(one, 'delete');
    await other.bringToFront();
    await other.getByRole('button', { name: 'Delete session' }).click();
    await one.bringToFront();
    await one.getByRole('button', { name: 'Delete it' }).click();
    await says(one, 'h1', 'Sessions');
    assert.equal(await one.locator(`[data-session="${id}"]`).count(), 0);
    await third.evaluate(() => dispatchEvent(new Event('focus')));
    await says(third, 'h1', 'This session is gone');
    await shoot(third, 'gone');
    // The other may have heard of it, or not: either way it ends well.
    await other.getByRole('button', { name: 'Delete it' }).click({ timeout: 1000 }).catch(() => {});
    await other.evaluate(() => dispatchEvent(new Event('focus')));
    await other.locator('h1', { hasText: /gone|Sessions/ }).waitFor();
  });

  await parts.part('requests show up as they end, with a plot for each server', async (open) => {
    const id = await parts.session({ servers: ['kitchen'], name: 'busy' });
    const page = await open(world.open, `#/session/${id}/live`);
    await says(page, '.empty', 'Nothing yet');
    await says(page, '[role=status]', 'Requests show up');
    await parts.call(id, 'kitchen.echo');
    await says(page, 'tbody tr', 'kitchen.echo');
    await parts.call(id, 'kitchen.fail');
    await says(page, 'tbody tr.bad', 'kitchen.fail');
    await says(page, '.plots', '2 requests, 1 failed');
    assert.equal(await page.locator('.plot-bar').count(), 2);
    await shoot(page, 'live');
  });

  await parts.part('a gateway that is away is told as that, and what is shown stays', async (open) => {
    const id = await parts.session({ servers: ['kitchen'], name: 'patient' });
    const page = await open(world.open, `#/session/${id}`);
    await says(page, '[data-server=kitchen] .state', 'Connected');
    await page.context().setOffline(true);
    await page.evaluate(() => dispatchEvent(new Event('focus')));
    await says(page, '[data-server=kitchen] .state', 'Connected');
    await page.getByRole('link', { name: 'Sessions' }).click();
    await says(page, '[role=alert]', 'The gateway does not answer');
    await page.context().setOffline(false);
    await page.getByRole('button', { name: 'Try again' }).click();
    await says(page, '.session-line', 'patient');
    await shoot(page, 'sessions');
  });

  await parts.part('a mistake of the page is shown; that, and whatever the policy stops, would fail each part here', async (open, context, complaints) => {
    const id = await parts.session({ servers: ['kitchen'], name: 'mistaken' });
    const page = await open(world.open, `#/session/${id}`);
    await says(page, '[data-server=kitchen] .state', 'Connected');
    const heard = (words) => parts.until(async () => (await page.title()) && complaints.some((it) => it.includes(words)));
    await page.evaluate(() => document.body.append(document.createElement('style')));
    await page.evaluate(() => (document.querySelector('body > style').textContent = 'body { color: red }'));
    await heard('against the policy: style-src');
    const json = { ...(await parts.described(id)), servers: null };
    await context.route(`**/session/${id}`, (route) => route.fulfill({ json }));
    await page.evaluate(() => dispatchEvent(new Event('focus')));
    await says(page, '#mistake', 'This page made a mistake');
    await heard('thrown: ');
    await shoot(page, 'mistake');
    await page.close();
    complaints.splice(0);
  });
}
