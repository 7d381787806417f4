import { chromium, type Browser } from 'playwright-core';
import { findChromium } from '../../../scripts/test/chromium.ts';

const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Starts a Chromium without a window, with a profile of its own that goes away with it. */
export function openBrowser(): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === undefined) {
    throw new Error('these tests need Chromium: install it, or set CHROMIUM_PATH to the executable of one');
  }
  return chromium.launch({ executablePath, headless: true, args: ARGS });
}
