/** Frameworks of PyPI as peers: each set in a virtual environment outside of the repository, made by the first call that needs it. */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { messageOf, QuernError } from '../src/core/errors.ts'
import { runProcess } from './processes.ts'

/** Packages that stand in one environment: exact versions, after which the folder is named. What they need in turn, pip chooses. */
interface Environment {
  readonly packages: Readonly<Record<string, string>>
  /** on disk, so that whoever waits knows why */
  readonly size: string
  /** Debian's own packages are seen too: its PyTorch */
  readonly system?: boolean
}

const environments = {
  jaxTensorflow: {
    packages: { jax: '0.10.2', jaxlib: '0.10.2', 'tensorflow-cpu': '2.21.0', numpy: '2.4.6' },
    size: '2 GB',
  },
  // PyPI's builds of PyTorch for Linux are those for CUDA, whose libraries it does not start without.
  torch: { packages: { torch: '2.15.0', numpy: '2.4.6' }, size: '5.4 GB' },
  scikitLearn: { packages: { 'scikit-learn': '1.9.1', scipy: '1.17.1', numpy: '2.4.6' }, size: '250 MB' },
  serving: {
    packages: {
      ...{ fastapi: '0.165.0', uvicorn: '0.54.0', uvloop: '0.23.0', httptools: '0.9.0' },
      ...{ onnxruntime: '1.32.0', numpy: '2.4.6' },
    },
    size: '200 MB',
  },
  bentoml: {
    packages: { bentoml: '1.4.39', onnxruntime: '1.32.0', numpy: '2.4.6' },
    size: '300 MB',
  },
  pillow: { packages: { pillow: '13.0.0' }, size: '30 MB', system: true },
  tables: { packages: { pandas: '3.1.1', pyarrow: '26.0.1', numpy: '2.4.6' }, size: '400 MB' },
} as const satisfies Readonly<Record<string, Environment>>

/** Any Python from 3.11 on, with venv; Debian's own, as for its PyTorch. */
const basePython = '/usr/bin/python3'

const cacheFolder = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'quern-bench')

/** Outside of the repository: nothing of it is a dependency of Quern. Another version is another folder. */
function environmentFolder({ packages }: Environment): string {
  const versions = Object.entries(packages).map(([name, version]) => `${name}-${version}`)
  return join(cacheFolder, ['python', ...versions].join('-'))
}

/**
 * Python of an environment, which is made at the first call: beside its place, and moved there when it is whole, so that one that was
 * broken off is never taken for one. Throws `missing` with the line to type when that fails.
 */
async function pythonOf(environment: Environment, progress: (message: string) => void): Promise<string> {
  const folder = environmentFolder(environment)
  const program = join(folder, 'bin', 'python')
  if (existsSync(program)) return program
  const packages = Object.entries(environment.packages).map(([name, version]) => `${name}==${version}`)
  const place = `${folder}.${process.pid}`
  const making = (to: string): string[] => [
    basePython,
    '-m',
    'venv',
    ...(environment.system ? ['--system-site-packages'] : []),
    to,
  ]
  const installing = (to: string): string[] => [
    join(to, 'bin', 'python'),
    ...['-m', 'pip', 'install', '--quiet', '--only-binary', ':all:', ...packages],
  ]
  progress(`installing ${packages.join(' ')} outside of the repository (${environment.size})`)
  try {
    mkdirSync(cacheFolder, { recursive: true })
    await runProcess(making(place))
    await runProcess(installing(place))
    renameSync(place, folder)
  } catch (cause) {
    rmSync(place, { recursive: true, force: true })
    throw new QuernError('missing', `the peers ${packages.join(', ')} could not be installed: ${messageOf(cause)}`, {
      hint: `${making(folder).join(' ')} && ${installing(folder).join(' ')}     (venv itself: apt-get install python3-venv)`,
      cause,
    })
  }
  return program
}

interface PythonPeer {
  readonly environment: Environment
  /** prints name, version, and whether it has the fast kernels of its builds; JAX' and TensorFlow's are part of them */
  readonly check: string
}

/** PyPI's peers by the names of `--peers`. */
export const pythonPeers: Readonly<Record<string, PythonPeer>> = {
  jax: {
    environment: environments.jaxTensorflow,
    check: `
import jax
jax.numpy.ones((64, 64)) @ jax.numpy.ones((64, 64))
print('jax', jax.__version__, jax.default_backend() == 'cpu')`,
  },
  tensorflow: {
    environment: environments.jaxTensorflow,
    check: `
import tensorflow as tf
print('tensorflow', tf.__version__, bool(tf.config.list_physical_devices('CPU')))`,
  },
  fastapi: {
    environment: environments.serving,
    check: `
import fastapi, onnxruntime
print('fastapi', fastapi.__version__, 'CPUExecutionProvider' in onnxruntime.get_available_providers())`,
  },
  bentoml: {
    environment: environments.bentoml,
    check: `
import bentoml, onnxruntime
print('bentoml', bentoml.__version__, 'CPUExecutionProvider' in onnxruntime.get_available_providers())`,
  },
  'scikit-learn': {
    environment: environments.scikitLearn,
    check: `
import sklearn
print('scikit-learn', sklearn.__version__, True)`,
  },
  pillow: {
    environment: environments.pillow,
    check: `
import torch, PIL.features
print(f'torch-{torch.__version__}-Pillow', PIL.__version__, PIL.features.check_feature('libjpeg_turbo'))`,
  },
  pandas: {
    environment: environments.tables,
    check: `
import pandas, pyarrow.parquet
print('pandas', pandas.__version__, True)`,
  },
  'torch-pypi': {
    environment: environments.torch,
    check: `
import torch
print('torch', torch.__version__, torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available())`,
  },
}

/** Python of a peer, with its version. Throws `missing` when it cannot be installed, does not start or multiplies slowly. */
export async function requirePythonPeer(
  name: string,
  progress: (message: string) => void,
): Promise<{ python: string; version: string }> {
  const { environment, check } = pythonPeers[name]!
  const python = await pythonOf(environment, progress)
  const { stdout } = await runProcess([python, '-c', check], { env: { TF_CPP_MIN_LOG_LEVEL: '3' } })
  const [framework, version, isFast] = stdout.trim().split('\n').at(-1)!.split(' ')
  if (isFast === 'True') return { python, version: `${framework} ${version}` }
  throw new QuernError(
    'missing',
    `${framework} ${version} is here without its fast kernels: comparing with it would not be fair`,
    {
      hint: `Remove ${environmentFolder(environment)} and run again.`,
    },
  )
}
