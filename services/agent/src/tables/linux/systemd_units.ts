import type { TableRow } from '@muster/tables';
import type { Collector, System } from '../contract/system.js';
import { parseShow, parseUnitFile, unitObjectPath } from './parse/systemd.js';

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
  const enabled = enabledUnits(system);
  const seen = new Set<string>();
  for (const folder of FOLDERS) {
    for (const id of system.list(folder)) {
      if (seen.has(id) || !UNIT_NAME.test(id)) continue;
      const path = `${folder}/${id}`;
      const masked = system.link(path) === '/dev/null';
      const text = masked ? '' : system.text(path);
      if (text === undefined) continue;
      seen.add(id);
      const unit = parseUnitFile(text);
      yield {
        id,
        description: unit.description,
        load_state: masked ? 'masked' : undefined,
        unit_file_state: masked ? 'masked' : fileState(enabled.has(id), unit.installable),
        object_path: unitObjectPath(id),
        fragment_path: path,
        user: unit.user,
        source_path: unit.sourcePath,
      };
    }
  }
}

function fileState(enabled: boolean, installable: boolean): string {
  if (enabled) return 'enabled';
  return installable ? 'disabled' : 'static';
}

/** Units with a link in a `.wants` or `.requires` folder below /etc. */
function enabledUnits(system: System): ReadonlySet<string> {
  const base = FOLDERS[0];
  const folders = system.list(base).filter((name) => /\.(wants|requires)$/.test(name));
  return new Set(folders.flatMap((folder) => system.list(`${base}/${folder}`)));
}
