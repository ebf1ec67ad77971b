import { bigint, EVERY_PLATFORM, LINUX, table, text, UNIX } from './column.js';
import type { TableSpec } from './table-spec.js';

/** Services and startup items. */
export const SERVICE_TABLES: readonly TableSpec[] = [
  table('systemd_units', 'Units of systemd; only what unit files say when the manager cannot be asked', LINUX, [
    text('id', 'Name of the unit with its suffix'),
    text('description', 'What it says it is'),
    text('load_state', 'Whether its definition was loaded'),
    text('active_state', 'active, inactive, failed and so on'),
    text('sub_state', 'State in the words of the unit type, such as running or exited'),
    text('unit_file_state', 'enabled, disabled, static, masked and so on'),
    text('following', 'Unit whose state it follows'),
    text('object_path', 'Its object on D-Bus'),
    bigint('job_id', 'Job that waits for it, 0 for none'),
    text('job_type', 'Kind of that job'),
    text('job_path', 'Object of that job on D-Bus'),
    text('fragment_path', 'Unit file that it was read from'),
    text('user', 'User that it runs as, when configured'),
    text('source_path', 'File that the unit file was generated from'),
  ]),
  table('startup_items', 'Programs that start with the machine or with a session', EVERY_PLATFORM, [
    text('name', 'Name of the item'),
    text('path', 'Program or script'),
    text('args', 'Arguments'),
    text('type', 'Kind of item'),
    text('source', 'Folder or subsystem that starts it'),
    text('status', 'enabled or disabled'),
    text('username', 'User whose item it is'),
  ]),
  table('crontab', 'Jobs of cron: system, drop-in and per-user tables', UNIX, [
    text('event', 'Event such as @reboot or @daily, in place of a time'),
    text('minute', 'Minutes field'),
    text('hour', 'Hours field'),
    text('day_of_month', 'Days of the month field'),
    text('month', 'Months field'),
    text('day_of_week', 'Days of the week field'),
    text('command', 'Command; in system tables with its user before it'),
    text('path', 'File that holds the job'),
  ]),
];
