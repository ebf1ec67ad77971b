import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, it } from '@jest/globals';
import { LinuxTables } from '../table-fixture.js';

it('packages of Gentoo are those of its database, with the version behind the name', async () => {
  const root = mkdtempSync(join(tmpdir(), 'muster-portage-'));
  const write = (path: string, text: string): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  };
  write('var/db/pkg/app-shells/bash-5.2_p26-r3/SLOT', '0\n');
  write('var/db/pkg/app-shells/bash-5.2_p26-r3/BUILD_TIME', '1700000000\n');
  write('var/db/pkg/app-shells/bash-5.2_p26-r3/SIZE', 'none\n');
  write('var/db/pkg/dev-libs/lib-2-name-1.0/EAPI', '8\n');
  write('var/lib/portage/world', 'app-shells/bash\n');
  const tables = await LinuxTables.open(root);
  expect(tables.query('SELECT * FROM portage_packages').rows).toMatchObject([
    { package: 'app-shells/bash', version: '5.2_p26-r3', slot: '0', build_time: 1_700_000_000, size: null, world: 1 },
    { package: 'dev-libs/lib-2-name', version: '1.0', eapi: 8, slot: null, world: 0 },
  ]);
  tables.close();
  rmSync(root, { recursive: true });
});
