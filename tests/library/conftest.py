"""Scripts that tests start, under MPI too."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.library.cells import TESTS

MPI_SETTINGS = {  # Open MPI refuses what MPICH allows: root, and more processes than cores
    "OMPI_ALLOW_RUN_AS_ROOT": "1",
    "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
}


@pytest.fixture
def start():
    """Starts a script as one does for the executor that it makes; ends what it left running."""
    processes = []

    def start(engine, script, *arguments):
        command = [sys.executable, str(script), *arguments]
        if engine == "MPI":
            beside = Path(sys.executable).parent
            mpiexec = shutil.which("mpiexec", path=f"{beside}{os.pathsep}{os.environ['PATH']}")
            if mpiexec is None:
                pytest.skip("no mpiexec, beside python or on the PATH: pip install mpich")
            command = [mpiexec, "-n", "3", sys.executable, "-m", "mpi4py.futures", *command[1:]]
        path = os.pathsep.join([str(TESTS), str(TESTS.parents[1])])
        environment = os.environ | MPI_SETTINGS | {"PYTHONPATH": path}
        process = subprocess.Popen(
            command, cwd=script.parent, env=environment, start_new_session=True
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
