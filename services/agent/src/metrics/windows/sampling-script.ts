/**
 * The script that PowerShell runs as long as the agent does. It reads a request a line and answers with one line of
 * JSON and the request's token; it ends when its input does. A part that cannot be read is `null`.
 *
 * - Counters are the raw ones of the performance libraries, by the names of their classes: those of counters are in the
 *   language of the system.
 * - It has no double quotes, which would have to be quoted on the command line, and writes nothing but ASCII, because
 *   the console's code page is unknown.
 *   `$input` must not be used: with it PowerShell would read the requests itself.
 * - Interfaces and connections come from .NET: they take a fraction of what WMI takes, and interfaces have the names that people give them.
 */
export const SAMPLING_SCRIPT = String.raw`
$ErrorActionPreference = 'Stop'
$ProgressPreference = 'SilentlyContinue'
$quote = [string][char]34

function Text($value) {
  if ($null -eq $value) { return 'null' }
  $quote + [regex]::Replace([string]$value, '[^\x20\x21\x23-\x5b\x5d-\x7e]', { '\u{0:x4}' -f [int][char]$args[0].Value }) + $quote
}

function Number($value) {
  if ($null -eq $value) { 'null' } else { [string]$value }
}

function Rows($class, $texts, $numbers, $where) {
  try {
    $query = 'SELECT ' + (@($texts + $numbers) -join ',') + ' FROM ' + $class + $where
    $rows = foreach ($object in @(Get-CimInstance -Query $query -OperationTimeoutSec 10)) {
      $cells = @(foreach ($name in $texts) { Text $object.$name }) + @(foreach ($name in $numbers) { Number $object.$name })
      '[' + ($cells -join ',') + ']'
    }
    '[' + (@($rows) -join ',') + ']'
  } catch { 'null' }
}

function Interfaces {
  try {
    $rows = foreach ($one in [Net.NetworkInformation.NetworkInterface]::GetAllNetworkInterfaces()) {
      try {
        $s = $one.GetIPStatistics()
        $cells = @((Text $one.Name), (Text $one.NetworkInterfaceType)) + @(foreach ($number in @(
          $s.BytesReceived, $s.BytesSent,
          ($s.UnicastPacketsReceived + $s.NonUnicastPacketsReceived), ($s.UnicastPacketsSent + $s.NonUnicastPacketsSent),
          $s.IncomingPacketsWithErrors, $s.OutgoingPacketsWithErrors, $s.IncomingPacketsDiscarded, $s.OutgoingPacketsDiscarded
        )) { Number $number })
        '[' + ($cells -join ',') + ']'
      } catch { }
    }
    '[' + (@($rows) -join ',') + ']'
  } catch { 'null' }
}

function Connections {
  try {
    $properties = [Net.NetworkInformation.IPGlobalProperties]::GetIPGlobalProperties()
    $counts = @{}
    foreach ($one in $properties.GetActiveTcpConnections()) { $counts[[int]$one.State] += 1 }
    $counts[2] = @($properties.GetActiveTcpListeners()).Length
    $pairs = foreach ($state in $counts.Keys) { '[' + (Number $state) + ',' + (Number $counts[$state]) + ']' }
    '[' + (@($pairs) -join ',') + ']'
  } catch { 'null' }
}

function Own {
  try {
    $own = [Diagnostics.Process]::GetCurrentProcess()
    '[[' + (Number ([long]$own.TotalProcessorTime.TotalMilliseconds)) + ',' + (Number $own.WorkingSet64) + ']]'
  } catch { 'null' }
}

function Users($ids) {
  try {
    $where = @(foreach ($id in $ids) { 'ProcessId=' + (Number ([uint32]$id)) }) -join ' OR '
    $rows = foreach ($one in @(Get-CimInstance -ClassName Win32_Process -Filter $where -OperationTimeoutSec 10)) {
      try {
        $owner = Invoke-CimMethod -InputObject $one -MethodName GetOwner -OperationTimeoutSec 10
        $name = if ($owner.Domain) { $owner.Domain + '\' + $owner.User } else { $owner.User }
        '[' + (Number $one.ProcessId) + ',' + (Text $name) + ']'
      } catch { }
    }
    '[' + (@($rows) -join ',') + ']'
  } catch { 'null' }
}

function Member($name, $json) { $quote + $name + $quote + ':' + $json }

function Standard {
  Member 'disks' (Rows 'Win32_PerfRawData_PerfDisk_PhysicalDisk' @('Name') @('DiskReadBytesPersec', 'DiskWriteBytesPersec', 'DiskReadsPersec', 'DiskWritesPersec', 'PercentDiskReadTime', 'PercentDiskWriteTime', 'PercentIdleTime', 'PercentIdleTime_Base'))
  Member 'interfaces' (Interfaces)
  Member 'memory' (Rows 'Win32_PerfRawData_PerfOS_Memory' @() @('FreeAndZeroPageListBytes', 'StandbyCacheCoreBytes', 'StandbyCacheNormalPriorityBytes', 'StandbyCacheReserveBytes'))
  Member 'own' (Own)
}

function Detailed {
  Member 'processes' (Rows 'Win32_PerfRawData_PerfProc_Process' @('Name') @('IDProcess', 'PercentProcessorTime', 'ElapsedTime', 'WorkingSet', 'ThreadCount'))
  Member 'connections' (Connections)
  Member 'volumes' (Rows 'Win32_LogicalDisk' @('DeviceID') @('Size', 'FreeSpace') ' WHERE DriveType=3')
  Member 'paging' (Rows 'Win32_PageFileUsage' @() @('AllocatedBaseSize', 'CurrentUsage'))
  Member 'batteries' (Rows 'Win32_Battery' @('DeviceID') @('EstimatedChargeRemaining', 'BatteryStatus'))
  Member 'temperatures' (Rows 'Win32_PerfRawData_Counters_ThermalZoneInformation' @('Name') @('HighPrecisionTemperature'))
}

while ($null -ne ($line = [Console]::In.ReadLine())) {
  $words = @($line.Split(' '))
  $members = switch ($words[0]) {
    'standard' { Standard }
    'detailed' { Detailed }
    'users' { Member 'users' (Users @($words | Select-Object -Skip 2)) }
  }
  [Console]::Out.WriteLine('{' + (@($members) -join ',') + '}')
  [Console]::Out.WriteLine($words[1])
  [Console]::Out.Flush()
}
`;
