import { faultsAmong, fetchTrivy, scanConfiguration } from './scan.js';

/** `npm run test:trivy`: ends with 1 when trivy finds something that is not known, and with 2 where there is no trivy. */
let trivy: string | undefined;
try {
  trivy = await fetchTrivy();
} catch (error) {
  console.error(`trivy scanned NOTHING: ${String(error)}`);
  process.exitCode = 2;
}
if (trivy !== undefined) {
  const { findings, files } = await scanConfiguration(trivy);
  const faults = faultsAmong(findings);
  for (const fault of faults) console.log(fault);
  console.log(`${files.length} files scanned, ${faults.length} faults`);
  if (faults.length > 0) process.exitCode = 1;
}
