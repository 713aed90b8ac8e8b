using Rollout.Gpu.Contracts;
using Rollout.Gpu.Tests.Support;
using Rollout.Gpu.Weights;
using Rollout.Gpu.Weights.Transfer;
using Xunit;

namespace Rollout.Gpu.Tests.Weights.Transfer;

public sealed class WeightReceiverTests
{
    [Fact]
    public async Task Devices_of_one_host_share_one_transfer_those_that_come_later_too()
    {
        await using var rig = new TransferRig();
        await using var relay = rig.Through(_ => Fault.None);
        using var second = new PolicyWeights(TinyModels.Random(TinyModels.Qwen3, seed: 7), default);
        var other = new DeviceIntake(rig.Receiver, second);

        var both = Task.WhenAll(
            rig.Intake.FetchAsync(relay.Offer, default), other.FetchAsync(relay.Offer, default));
        foreach (var staged in await both)
        {
            staged.Apply();
            staged.Dispose();
        }
        using (var late = await other.FetchAsync(relay.Offer, default))
            late.Apply();

        rig.AssertTaken(TransferRig.One);
        Assert.Equal(TransferRig.One.Version, second.Version);
        Assert.Equal(1, relay.Connections);
    }

    [Fact]
    public async Task Version_after_version_goes_through_one_piece_of_memory()
    {
        await using var rig = new TransferRig();
        using var first = await rig.Receiver.FetchAsync(rig.Offer, default);
        first.Dispose();
        using var second = await rig.Receiver.FetchAsync(rig.Server.Publish(rig.Trainer, TransferRig.Two), default);

        Assert.Same(first.Memory, second.Memory);
    }

    [Fact]
    public async Task Weights_in_use_are_not_overwritten_by_the_next()
    {
        await using var rig = new TransferRig();
        using var inUse = await rig.Receiver.FetchAsync(rig.Offer, default);
        using var next = await rig.Receiver.FetchAsync(rig.Server.Publish(rig.Trainer, TransferRig.Two), default);

        Assert.NotSame(inUse.Memory, next.Memory);
    }

    [Fact]
    public async Task A_newer_offer_ends_the_wait_for_an_older_one()
    {
        await using var rig = new TransferRig();
        await using var silent = rig.Through(_ => new Fault(StallAfter: 1));
        var old = rig.Intake.FetchAsync(silent.Offer, default);

        await rig.TakeAsync(rig.Server.Publish(rig.Trainer, TransferRig.Two));

        rig.AssertTaken(TransferRig.Two);
        Assert.Contains("no longer wanted", (await Assert.ThrowsAsync<WeightTransferException>(() => old)).Message);
        var late = await Assert.ThrowsAsync<WeightTransferException>(() => rig.TakeAsync(rig.Offer));
        Assert.Contains("no longer wanted", late.Message);
    }

    [Fact]
    public async Task A_later_run_counts_its_versions_anew()
    {
        await using var rig = new TransferRig();
        await rig.TakeAsync(rig.Server.Publish(rig.Trainer, TransferRig.Two));
        var restarted = TransferRig.One with { Run = 78 };

        await rig.TakeAsync(rig.Server.Publish(rig.Trainer, restarted));

        rig.AssertTaken(restarted);
    }

    [Fact]
    public async Task One_that_gives_up_leaves_the_others_their_transfer_and_the_last_one_ends_it()
    {
        await using var rig = new TransferRig();
        await using var silent = rig.Through(_ => new Fault(StallAfter: 1));
        using var first = new CancellationTokenSource();
        using var last = new CancellationTokenSource();
        var one = rig.Intake.FetchAsync(silent.Offer, first.Token);
        var other = rig.Intake.FetchAsync(silent.Offer, last.Token);
        await silent.Reached.Task;

        await first.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => one);
        Assert.False(silent.ReceiverLeft.Task.IsCompleted || other.IsCompleted);

        await last.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => other);
        await silent.ReceiverLeft.Task;
    }

    [Fact]
    public async Task A_transfer_that_failed_goes_on_at_the_byte_where_it_stopped_when_asked_for_again()
    {
        var (time, timeout) = (new ManualTime(), TimeSpan.FromSeconds(10));
        await using var rig = new TransferRig(
            options: TransferRig.Patient with { Timeout = timeout, Time = time });
        await using var relay = rig.Through(i => i == 0 ? new Fault(StallAfter: rig.AnswerBytes + 20_000) : Fault.None);
        var first = rig.TakeAsync(relay.Offer);
        await relay.Stalled.Task;
        await time.SetAsync(timeout, times: 2);     // the second time by the first byte of weights
        await time.AdvanceUntilAsync(first, timeout);
        Assert.Contains("nothing of policy 1", (await Assert.ThrowsAsync<WeightTransferException>(() => first)).Message);

        await rig.TakeAsync(relay.Offer);

        rig.AssertTaken(TransferRig.One);
        Assert.InRange(relay.BytesToReceiver - rig.Offer.Bytes - (2 * rig.AnswerBytes), 0, 19_999);     // sent twice
    }

    [Fact]
    public async Task A_newer_offer_takes_the_memory_of_a_transfer_that_failed()
    {
        var (time, timeout) = (new ManualTime(), TimeSpan.FromSeconds(10));
        await using var rig = new TransferRig(
            options: TransferRig.Patient with { Timeout = timeout, Time = time });
        await using var relay = rig.Through(_ => new Fault(StallAfter: rig.AnswerBytes + 1000));
        var first = rig.TakeAsync(relay.Offer);
        await relay.Stalled.Task;
        await time.SetAsync(timeout, times: 2);     // the second time by the first byte of weights
        await time.AdvanceUntilAsync(first, timeout);
        await Assert.ThrowsAsync<WeightTransferException>(() => first);

        await rig.TakeAsync(rig.Server.Publish(rig.Trainer, TransferRig.Two));

        rig.AssertTaken(TransferRig.Two);
    }

    [Fact]
    public async Task A_transfer_that_failed_is_tried_anew_when_it_is_asked_for_again()
    {
        await using var rig = new TransferRig();
        await using var relay = rig.Through(i => i < 3 ? new Fault(FlipToReceiver: 0) : Fault.None);

        await Assert.ThrowsAsync<WeightTransferException>(() => rig.TakeAsync(relay.Offer));
        await rig.TakeAsync(relay.Offer);

        rig.AssertTaken(TransferRig.One);
    }
}
