// How long one server took for its last requests, and which of them failed: one bar each.

import { el, fill, span, svg } from './dom.js';

const BARS = 40;
const WIDTH = 5;
const HEIGHT = 44;

/** A small plot with its figures in words. */
export class Plot {
  constructor(name) {
    this.name = name;
    this.done = [];
    this.words = el('p', { class: 'hint' });
    this.picture = svg('svg', {
      viewBox: `0 0 ${BARS * WIDTH} ${HEIGHT}`, class: 'plot', role: 'img', preserveAspectRatio: 'none',
    });
    this.element = el('div', { class: 'stack-tight' }, el('h2', {}, name), this.picture, this.words);
    this.#draw();
  }

  clear() {
    this.done = [];
    this.#draw();
  }

  add(milliseconds, bad) {
    this.done.push({ milliseconds, bad });
    if (this.done.length > BARS) this.done.shift();
    this.#draw();
  }

  #draw() {
    const times = this.done.map((it) => it.milliseconds).sort((one, other) => one - other);
    const failed = this.done.filter((it) => it.bad).length;
    const most = Math.max(10, times.at(-1) ?? 0);
    const count = `${times.length} request${times.length > 1 ? 's' : ''}, ${failed} failed`;
    const said = times.length === 0
      ? 'No request yet'
      : `${count}; median ${span(times[times.length >> 1])}, slowest ${span(times.at(-1))}`;
    fill(this.words, `${said}.`);
    this.picture.setAttribute('aria-label', `${this.name}: ${said}`);
    // From one millisecond on, each tenfold is as high as the one before.
    const height = (milliseconds) => Math.max(3, (Math.log10(milliseconds + 1) / Math.log10(most + 1)) * (HEIGHT - 4));
    const begin = BARS - this.done.length;
    fill(this.picture, svg('line', { x1: 0, x2: BARS * WIDTH, y1: HEIGHT - 0.5, y2: HEIGHT - 0.5, class: 'plot-ground' }),
      this.done.map(({ milliseconds, bad }, place) => {
        const tall = height(milliseconds);
        const x = (begin + place) * WIDTH + 0.75;
        return svg('rect', { x, y: HEIGHT - tall, width: WIDTH - 1.5, height: tall, rx: 1, class: bad ? 'plot-bar plot-bad' : 'plot-bar' });
      }));
  }
}
