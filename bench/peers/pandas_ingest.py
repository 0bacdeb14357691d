"""Reads a table whole into memory with pandas. usage: python3 pandas_ingest.py FILE; prints a JSON object on its last line."""
import json, re, resource, sys, time

start = time.perf_counter()
import pandas

file = sys.argv[1]
loaded = time.perf_counter()
table = pandas.read_parquet(file) if file.endswith('.parquet') else pandas.read_csv(file, parse_dates=['date'])
end = time.perf_counter()
usage = resource.getrusage(resource.RUSAGE_SELF)
print(json.dumps({
    'rows': len(table),
    'kinds': ', '.join(f'{name} {dtype}' for name, dtype in table.dtypes.items()),
    # the import of the library is not counted, as ours is not
    'seconds': end - loaded,
    'processor': usage.ru_utime + usage.ru_stime,
    'memory': int(re.search(r'VmHWM:\s+(\d+)', open('/proc/self/status').read()).group(1)) / 1024,
}))
