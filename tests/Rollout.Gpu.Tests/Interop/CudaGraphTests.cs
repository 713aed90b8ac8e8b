using Rollout.Gpu.Interop;
using Rollout.Gpu.Tests.Execution;
using Rollout.Gpu.Tests.Kernels;
using Rollout.Gpu.Tests.Support;
using Xunit;

namespace Rollout.Gpu.Tests.Interop;

[Collection(GpuTests.Name)]
public sealed class CudaGraphTests
{
    [Fact]
    public async Task A_graph_can_be_recorded_while_others_wait_for_the_device()
    {
        GpuMachine.Require();
        using var recorded = new CancellationTokenSource();
        int Wait(Action wait)
        {
            var waits = 0;
            for (; waits == 0 || !recorded.IsCancellationRequested; waits++)
                wait();
            return waits;
        }

        using var context = CudaContext.Open(0);
        var drivers = Task.Run(() => Wait(context.Synchronize), TestContext.Current.CancellationToken);
        var torchs = Task.Run(
            () => Wait(() => TorchTensors.Synchronize(CudaPolicy.Gpu)), TestContext.Current.CancellationToken);
        try
        {
            context.MakeCurrent();
            using var stream = new CudaStream(context);
            using var memory = new DeviceMemory(1 << 20);
            for (var round = 0; round < 300; round++)
            {
                using var graph = CudaGraph.Capture(stream, () =>
                {
                    for (var i = 0; i < 30; i++)
                        stream.Fill(memory.Pointer, (byte)i, memory.Bytes);
                });
                graph.Launch(stream);
                stream.Synchronize();
            }
        }
        finally
        {
            await recorded.CancelAsync();
        }

        Assert.True(await drivers > 0 && await torchs > 0);
    }
}
