import type { TableRow } from '@muster/tables';
import type { Collector, System } from '../contract/system.js';
import { parseShow, parseUnitFile, unitObjectPath } from './parse/systemd.js';
import { maskedState, UnitLinks } from './unit-links.js';

/** Unit folders by precedence (systemd.unit(5)). */
const FOLDERS = [
  '/etc/systemd/system',
  '/run/systemd/system',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
  '/lib/systemd/system',
] as const;

const PROPERTIES = [
  'Id',
  'Description',
  'LoadState',
  'ActiveState',
  'SubState',
  'UnitFileState',
  'Following',
  'Job',
  'FragmentPath',
  'User',
  'SourcePath',
] as const;

const UNIT_NAME = /\.(service|socket|target|timer|mount|automount|path|slice|scope|swap|device)$/;

export const systemdUnits: Collector = {
  table: 'systemd_units',
  *collect(system) {
    const shown = shownUnits(system);
    if (shown === undefined) yield* unitFiles(system);
    else for (const values of parseShow(shown)) yield loadedUnit(values);
  },
};

/** Units as the manager reports them. `undefined` where systemd did not boot the machine. */
function shownUnits(system: System): string | undefined {
  if (!system.exists('/run/systemd/private')) return undefined;
  return system.run('/usr/bin/systemctl', ['show', '--all', `--property=${PROPERTIES.join(',')}`, '--', '*']);
}

function loadedUnit(values: ReadonlyMap<string, string>): TableRow {
  const value = (key: (typeof PROPERTIES)[number]): string => values.get(key) ?? '';
  const job = /^(\d+)/.exec(value('Job'))?.[1];
  return {
    id: value('Id'),
    description: value('Description'),
    load_state: value('LoadState'),
    active_state: value('ActiveState'),
    sub_state: value('SubState'),
    unit_file_state: value('UnitFileState'),
    following: value('Following'),
    object_path: unitObjectPath(value('Id')),
    job_id: Number(job ?? 0),
    job_path: job === undefined ? '' : `/org/freedesktop/systemd1/job/${job}`,
    fragment_path: value('FragmentPath'),
    user: value('User'),
    source_path: value('SourcePath'),
  };
}

/** Units from files, without their state. */
function* unitFiles(system: System): Iterable<TableRow> {
  const links = new UnitLinks(system, FOLDERS);
  const seen = new Set<string>();
  for (const folder of FOLDERS) {
    for (const id of system.list(folder)) {
      if (seen.has(id) || !UNIT_NAME.test(id)) continue;
      const alias = links.aliasOf(id, folder);
      // Another name leads to the unit of that name, whichever file of it counts.
      const place = alias === undefined ? folder : FOLDERS.find((one) => isThere(system, `${one}/${alias}`));
      const path = `${place ?? folder}/${alias ?? id}`;
      const isNothing = system.stat(path)?.isCharacterDevice() === true;
      const text = isNothing ? '' : system.text(path);
      if (text === undefined) continue;
      seen.add(id);
      // An empty file masks a unit, as a link to nothing does.
      const isMasked = text === '';
      const unit = parseUnitFile(text, ...dropIns(system, alias ?? id));
      const state = alias === undefined ? links.stateOf(id, folder, unit) : 'alias';
      yield {
        id,
        description: unit.description,
        load_state: isMasked ? 'masked' : undefined,
        unit_file_state: isMasked ? maskedState(place ?? folder) : state,
        object_path: unitObjectPath(id),
        fragment_path: path,
        user: unit.user,
        source_path: unit.sourcePath,
      };
    }
  }
}

function isThere(system: System, path: string): boolean {
  return system.lstat(path) !== undefined;
}

/** Texts of drop-ins in the order of their names. Of two with one name the first folder has the one that counts. */
function dropIns(system: System, id: string): string[] {
  const paths = new Map<string, string>();
  for (const folder of FOLDERS) {
    for (const name of system.list(`${folder}/${id}.d`))
      if (name.endsWith('.conf') && !paths.has(name)) paths.set(name, `${folder}/${id}.d/${name}`);
  }
  const names = [...paths.keys()].sort();
  return names.map((name) => system.text(paths.get(name) ?? '') ?? '');
}
