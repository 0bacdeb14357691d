"""Runs a program and then prints the highest resident memory of this process in MB, on a line of its own.
usage: python3 peak_memory.py PROGRAM [its arguments]
From /proc, since getrusage's maxrss begins with that of the parent process."""
import re, runpy, sys
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name='__main__')
print('peak', int(re.search(r'VmHWM:\s+(\d+)', open('/proc/self/status').read()).group(1)) / 1024, 'MB')
