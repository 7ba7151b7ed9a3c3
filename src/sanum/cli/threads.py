"""`--threads`: how many CPU threads the libraries that compute may use."""


def use_threads(count: int) -> None:
    """Let torch, Numba and ITK use so many threads.

    Parameters
    ----------
    count : int
        Threads; 0: what they choose.
    """
    if not count:
        return
    import numba
    import SimpleITK as sitk
    import torch

    torch.set_num_threads(count)
    numba.set_num_threads(min(count, numba.get_num_threads()))
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(count)
