import { describe, expect, test } from '@jest/globals';
import { platformHarness, ran } from '../testing/platform-harness.js';
import { launchd } from './launchd.js';
import { SERVICE_COLUMNS, serviceActions } from './service-actions.js';

const { play } = platformHarness('darwin');

describe('launchd services', () => {
  const LABEL = 'com.evil.adware';
  const FILE = `/Library/LaunchDaemons/${LABEL}.plist`;
  const loaded = ran(['/bin/launchctl', 'print', `system/${LABEL}`], {
    stdout: `system/${LABEL} = {\n\tactive count = 1\n\tpath = ${FILE}\n\tstate = running\n\n\tprogram = /usr/local/bin/adware\n}\n`,
  });
  const unloaded = ran(['/bin/launchctl', 'print', `system/${LABEL}`], { code: 113, stderr: 'Could not find service' });
  const services = serviceActions(() => launchd((path) => path === FILE), SERVICE_COLUMNS);

  test('are unloaded to stop, loaded to start, kickstarted to restart', async () => {
    const stop = [loaded, ran(['/bin/launchctl', 'bootout', `system/${LABEL}`]), unloaded];
    const row = { label: LABEL, path: FILE };
    const stopped = await play(stop, 'service.stop', { binding: row }, { implementation: services['service.stop'] });
    expect(stopped).toMatchObject({ state: 'succeeded', kept: [expect.objectContaining({ name: LABEL })] });
    const start = [unloaded, ran(['/bin/launchctl', 'bootstrap', 'system', FILE]), loaded];
    expect(
      await play(start, 'service.start', { params: { name: LABEL } }, { implementation: services['service.start'] }),
    ).toMatchObject({
      state: 'succeeded',
    });
    const restart = [loaded, ran(['/bin/launchctl', 'kickstart', '-k', `system/${LABEL}`]), loaded];
    expect(
      await play(
        restart,
        'service.restart',
        { params: { name: LABEL } },
        { implementation: services['service.restart'] },
      ),
    ).toMatchObject({
      state: 'succeeded',
    });
  });

  test('are not missing when launchctl does not answer', async () => {
    const denied = ran(['/bin/launchctl', 'print', `system/${LABEL}`], {
      code: 125,
      stderr: 'Domain does not support',
    });
    const stop = services['service.stop'];
    expect(await play([denied], 'service.stop', { params: { name: LABEL } }, { implementation: stop })).toMatchObject({
      state: 'failed',
      code: 'program_failed',
    });
  });

  test('are refused when they differ or belong to macOS', async () => {
    const row = { label: LABEL, path: '/Library/LaunchDaemons/other.plist' };
    expect(
      await play([loaded], 'service.stop', { binding: row }, { implementation: services['service.stop'] }),
    ).toMatchObject({
      code: 'changed',
    });
    const apple = ran(['/bin/launchctl', 'print', 'system/com.apple.logd'], {
      stdout: '\tpath = /x.plist\n\tstate = running\n',
    });
    expect(
      await play(
        [apple],
        'service.stop',
        { params: { name: 'com.apple.logd' } },
        { implementation: services['service.stop'] },
      ),
    ).toMatchObject({
      code: 'protected',
    });
  });
});
