"""EnvPool's part of stepping.py, for an interpreter that has it: reads seconds, answers environment steps a second."""

import sys
from time import perf_counter

import envpool
import numpy as np

name, num_envs, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
environments = envpool.make(name, env_type="gymnasium", num_envs=num_envs, num_threads=threads, seed=0)
environments.reset()
shape = (num_envs, *environments.action_space.shape)
actions = [np.random.default_rng(number).uniform(-1, 1, shape) for number in range(100)]
print("ready", flush=True)
for line in sys.stdin:
    count, start = 0, perf_counter()
    while (spent := perf_counter() - start) < float(line):
        environments.step(actions[count % len(actions)])
        count += 1
    print(count * num_envs / spent, flush=True)
