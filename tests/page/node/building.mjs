// Build a session: a wrong field, then right; the entry to paste; the whole by keyboard alone.

import assert from 'node:assert/strict';
import { says, shoot } from './parts.mjs';

export async function run(parts) {
  const { world } = parts;

  await parts.part('the policy lets nothing in but the page itself', async (open) => {
    const page = await open(world.open);
    const response = await page.reload();
    const policy = response.headers()['content-security-policy'];
    assert.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self';/);
    assert.doesNotMatch(policy, /unsafe|\*|https?:/);
    await says(page, 'h1', 'Build a session');
  });

  await parts.part('providers tell what they take and whether they answer', async (open) => {
    const page = await open(world.open);
    const card = (name) => page.locator('.choice', { has: page.locator(`[data-provider="${name}"]`) });
    await card('kitchen').getByText('Answers', { exact: true }).waitFor();
    await card('away').getByText('Does not answer').waitFor();
    await card('away').getByText('refused').waitFor();
    await card('away').getByText('correct the url of its entry').waitFor();
    await card('astray').getByText('Answers, but not as it should').waitFor();
    await card('astray').getByText('HTTP 404').waitFor();
    await card('astray').getByText('correct the path of the url').waitFor();
    await shoot(page, 'presence');
    // It answers although nobody without a token is let in: no credential was sent to find out.
    await card('locked').getByText('Answers', { exact: true }).waitFor();
    await card('locked').getByText('Token needed').waitFor();
    await page.locator('[data-provider=locked]').check();
    const link = card('locked').getByRole('link');
    assert.equal(await link.getAttribute('href'), 'https://example.com/tokens');
    assert.match(await link.getAttribute('rel'), /noopener/);
  });

  await parts.part('a refusal stands at its field, and what was filled in stays', async (open) => {
    const page = await open(world.open);
    await page.locator('[data-provider=kitchen]').check();
    await page.locator('[data-provider=locked]').check();
    await page.getByRole('textbox', { name: 'Name', exact: true }).fill('dinner');
    await page.getByRole('button', { name: 'Create session' }).click();
    const token = page.locator('[data-credential=locked]');
    await page.locator('[data-credential=locked][aria-invalid=true]').waitFor();
    await says(page, '.field-error', 'Paste the token');
    await parts.until(() => page.evaluate(() => document.activeElement.dataset.credential === 'locked'));
    await shoot(page, 'build-refused');
    await token.fill(`Bearer ${world.token}`);
    await page.getByRole('button', { name: 'Create session' }).click();
    await says(page, '.field-error', 'give the token alone');
    await token.fill(world.token);
    await page.getByRole('button', { name: 'Create session' }).click();
    await says(page, 'h1', 'dinner');
    await says(page, '.part-lead', 'Pick your client');
    assert.ok(!page.url().includes(world.token));

    const clients = await page.locator('[role=tab]').evaluateAll((tabs) => tabs.map((tab) => tab.textContent));
    for (const client of ['Claude Desktop', 'Claude Code', 'Cursor', 'VS Code', 'Codex', 'Gemini CLI', 'Windsurf', 'curl']) {
      assert.ok(clients.some((title) => title.includes(client)), `${client} of ${clients}`);
    }
    const id = page.url().match(/session\/([^/]+)/)[1];
    await page.locator('[data-client=claude_code]').click();
    const entry = await page.locator('.entry pre').innerText();
    assert.ok(entry.includes(`/session/${id}/mcp`), entry);
    await page.evaluate(() => {
      window.copied = [];
      Object.defineProperty(navigator, 'clipboard', { value: { writeText: async (text) => void window.copied.push(text) } });
    });
    // It says so for a moment: whoever began to look after it might be late.
    const copied = page.getByText('Copied', { exact: true });
    await Promise.all([copied.waitFor(), page.locator('.entry .copy').click()]);
    assert.deepEqual(await page.evaluate(() => window.copied), [entry]);
    await shoot(page, 'connect');
    for (const client of ['cursor', 'vs_code']) {
      const tab = page.locator(`[data-client^=${client}]`).first();
      await tab.click();
      const link = await page.locator('.entry a.primary').getAttribute('href');
      assert.match(link, /^(cursor|vscode|https):/);
    }
    await page.getByRole('link', { name: 'Servers' }).click();
    await says(page, '[data-server=locked] .state', 'Connected');
    await says(page, '[data-server=kitchen]', 'tools');
    await shoot(page, 'servers');
  });

  await parts.part('a session is built by keyboard alone', async (open) => {
    const page = await open(world.open);
    await page.locator('[data-provider=kitchen]').waitFor();
    const at = (member) => page.evaluate((name) => document.activeElement?.dataset?.[name] ?? null, member);
    const tabTo = async (member, value) => {
      for (let presses = 0; presses < 40; presses += 1) {
        if ((await at(member)) === value) return;
        await page.keyboard.press('Tab');
      }
      assert.fail(`Tab does not lead to ${value}`);
    };
    await page.keyboard.press('Tab');
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to the content');
    await page.keyboard.press('Enter');
    assert.equal(await page.evaluate(() => document.activeElement.id), 'view');
    await says(page, 'h1', 'Build a session');
    await tabTo('provider', 'kitchen');
    await page.keyboard.press('Space');
    await tabTo('field', 'name');
    await page.keyboard.type('by hand');
    await page.keyboard.press('Enter');
    await says(page, 'h1', 'by hand');
    await tabTo('client', await page.locator('[role=tab][aria-selected=true]').getAttribute('data-client'));
    await page.keyboard.press('End');
    const last = page.locator('[role=tab]').last();
    assert.equal(await last.getAttribute('aria-selected'), 'true');
    assert.ok(await last.evaluate((tab) => tab === document.activeElement));
  });
}
