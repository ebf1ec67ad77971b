import type { InventoryQuestion } from '@muster/records';

/**
 * The columns of both questions. `release` is that of the system; `kernel` is there only for its own package. `origin`
 * is empty for packages of the distribution, `other` for those of another vendor, `unclear` where nothing shows that
 * they are the distribution's.
 */
export const INVENTORY_COLUMNS = [
  'kind',
  'platform',
  'release',
  'kernel',
  'name',
  'version',
  'source',
  'origin',
] as const;

/** Packages of one kernel release, of which only the running one counts. */
const KERNEL_OF = (name: string): string =>
  ['image', 'image-unsigned', 'headers', 'modules', 'modules-extra']
    .map((part) => `${name} GLOB 'linux-${part}-[0-9]*'`)
    .join(' OR ');

const DEB_RUNNING = `d.name IN ('linux-image-' || k.version, 'linux-image-unsigned-' || k.version, 'linux-image-' || k.version || '-unsigned')`;

/** Debian has packages of people with addresses of their own too. So another address shows nothing, and one of the distribution does. */
const DEB_ORIGIN = `iif(regex_match(d.maintainer, '[@.](debian[.](org|net)|(ubuntu|canonical)[.]com)>$', 0) IS NULL, 'unclear', '')`;
const RPM_ORIGIN = `iif(regex_match(r.vendor, '^(AlmaLinux|Rocky)', 0) IS NULL, 'other', '')`;

const RPM_KERNEL = `r.name IN ('kernel', 'kernel-core', 'kernel-modules', 'kernel-modules-core', 'kernel-modules-extra', 'kernel-rt', 'kernel-rt-core', 'kernel-devel')`;
const RPM_RUNNING = `k.version IN (r.version || '-' || r.release, r.version || '-' || r.release || '.' || r.arch)`;

/**
 * Packages of the system as their sources, each once on each endpoint, so that equal ones combine on the way; and a row
 * for the endpoint itself, which says whether it has a package database at all: no packages without one are not known.
 * One more row where the running kernel is of no package.
 */
const SYSTEM = `
WITH o AS (SELECT platform, version FROM os_version LIMIT 1), k AS (SELECT version FROM kernel_info LIMIT 1)
SELECT 'host' AS kind, o.platform AS platform, o.version AS release, '' AS kernel, '' AS name,
  CASE WHEN EXISTS (SELECT 1 FROM deb_packages) THEN 'deb' WHEN EXISTS (SELECT 1 FROM rpm_packages) THEN 'rpm' ELSE '' END AS version, '' AS source,
  '' AS origin
FROM (SELECT 1) LEFT JOIN o ON 1 LEFT JOIN k ON 1
UNION
SELECT 'deb', o.platform, o.version, iif(${KERNEL_OF('d.name')}, k.version, ''), iif(${KERNEL_OF('d.name')}, d.name, ''),
  iif(instr(d.source, ' (') > 0 AND NOT (${KERNEL_OF('d.name')}), '', d.version), iif(d.source = '', d.name, d.source),
  ${DEB_ORIGIN}
FROM deb_packages d LEFT JOIN o ON 1 LEFT JOIN k ON 1
WHERE d.status LIKE '% installed' AND (NOT (${KERNEL_OF('d.name')}) OR ${DEB_RUNNING})
UNION
SELECT 'rpm', o.platform, o.version, iif(${RPM_KERNEL}, r.version || '-' || r.release, ''), r.name,
  coalesce(r.epoch, 0) || ':' || r.version || '-' || r.release, coalesce(r.source, ''), ${RPM_ORIGIN}
FROM rpm_packages r LEFT JOIN o ON 1 LEFT JOIN k ON 1
WHERE NOT (${RPM_KERNEL}) OR ${RPM_RUNNING}
UNION
SELECT 'kernel', o.platform, o.version, '', '', coalesce(k.version, ''), '', ''
FROM (SELECT 1) LEFT JOIN o ON 1 LEFT JOIN k ON 1
WHERE (EXISTS (SELECT 1 FROM deb_packages) OR EXISTS (SELECT 1 FROM rpm_packages))
  AND NOT EXISTS (SELECT 1 FROM deb_packages d WHERE d.status LIKE '% installed' AND ${DEB_RUNNING})
  AND NOT EXISTS (SELECT 1 FROM rpm_packages r WHERE ${RPM_KERNEL} AND ${RPM_RUNNING})`;

/** Packages of languages, without those that belong to packages of the system: their versions are not those of the language's registry. */
const LANGUAGE = `
SELECT DISTINCT 'npm' AS kind, '' AS platform, '' AS release, '' AS kernel, name, version, '' AS source, '' AS origin FROM npm_packages
WHERE path NOT LIKE '/usr/share/nodejs/%'
UNION
SELECT DISTINCT 'python', '', '', '', name, version, '', '' FROM python_packages
WHERE path NOT LIKE '/usr/lib/python3%' AND path NOT LIKE '/usr/lib64/python3%'`;

export const INVENTORY_QUESTIONS: readonly { readonly kind: InventoryQuestion['kind']; readonly sql: string }[] = [
  { kind: 'system', sql: SYSTEM },
  { kind: 'language', sql: LANGUAGE },
];
