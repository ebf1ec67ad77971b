import { createHash } from 'node:crypto';
import { lazy, type CollectRequest, type TableRow } from '@muster/tables';
import type { Collector, System } from '../contract/system.js';
import { memoryDevice, parseSmbios, type SmbiosStructure, smbiosTypeName } from './parse/smbios.js';

const SMBIOS = '/sys/firmware/dmi/tables/DMI';
const ACPI = '/sys/firmware/acpi/tables';

/** What the firmware tells. */
export const FIRMWARE_COLLECTORS: readonly Collector[] = [
  {
    table: 'smbios_tables',
    *collect(system, request) {
      let number = 0;
      for (const { type, handle, fields, whole } of smbiosStructures(system, request)) {
        yield {
          ...{ number, type, description: smbiosTypeName(type), handle, header_size: fields.length },
          ...{ size: whole.length, md5: lazy(() => md5(whole)) },
        };
        number += 1;
      }
    },
  },
  {
    table: 'memory_devices',
    *collect(system, request) {
      for (const structure of smbiosStructures(system, request)) {
        const row = memoryDevice(structure);
        if (row !== undefined) yield row;
      }
    },
  },
  {
    table: 'acpi_tables',
    collect: (system) => acpiTables(system),
  },
];

/** The structures of SMBIOS; none where the agent may not read them. */
export function smbiosStructures(system: System, request: CollectRequest): readonly SmbiosStructure[] {
  return request.memo('smbios', () => [...parseSmbios(system.bytes(SMBIOS) ?? Buffer.alloc(0))]);
}

function* acpiTables(system: System): Iterable<TableRow> {
  for (const name of system.list(ACPI)) {
    const path = `${ACPI}/${name}`;
    if (system.isDirectory(path)) continue;
    const content = system.bytes(path);
    yield { name, size: content?.length ?? -1, md5: content === undefined ? '' : md5(content) };
  }
}

function md5(bytes: Buffer): string {
  return createHash('md5').update(bytes).digest('hex');
}
