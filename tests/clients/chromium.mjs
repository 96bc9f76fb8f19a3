// The browser that `chromium.sh` finds or installs.

import { execFileSync } from 'node:child_process';
import puppeteer from 'puppeteer-core';

function found() {
  for (const name of ['chromium', 'chromium-browser', 'google-chrome']) {
    try {
      return execFileSync('which', [name], { encoding: 'utf8' }).trim();
    } catch {
      // The next name may be installed.
    }
  }
  throw new Error('there is no chromium: `make test-clients` installs it where it may');
}

export const launch = () => puppeteer.launch({ executablePath: found(), headless: true, args: ['--no-sandbox', '--disable-gpu'] });
