using Akka.Actor;
using Akka.Event;
using Rollout.Actors.Batching;
using Rollout.Actors.Blocks;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Decoding;

/// <summary>
/// A decoder's steps: asks for the blocks of the next one ahead of need, starts what a grant allows, and gives the
/// planner what the device has computed or why it has not. Used by the decoder's thread alone, which it blocks.
/// </summary>
/// <param name="id">The decoder's.</param>
/// <param name="runner">Its device.</param>
/// <param name="planner">Decides what each step computes.</param>
/// <param name="follower">Says what the device decodes with.</param>
/// <param name="allocator">Answers demands with <see cref="BlocksReserved"/>, to the decoder.</param>
/// <param name="decoder">The decoder itself.</param>
/// <param name="log">The decoder's.</param>
internal sealed class StepLoop(
    DecoderId id,
    IModelRunner runner,
    StepPlanner planner,
    PolicyFollower follower,
    IActorRef allocator,
    IActorRef decoder,
    ILoggingAdapter log)
{
    private readonly StepClock _clock = new(TimeProvider.System, runner.Geometry.BlockCount);

    /// <summary>Blocks have been asked for, and the step that they are for has not run.</summary>
    public bool IsDemandOut => planner.IsDemandOut;

    /// <summary>What was done since the counts were last reset.</summary>
    public DecoderStats Counts(bool reset) => _clock.Read(reset);

    /// <summary>Asks for the next step's blocks, unless that has been done or nothing is to do.</summary>
    public void Advance()
    {
        if (planner.IsDemandOut || !planner.HasWork)
            return;
        _clock.Start();
        allocator.Tell(new ReserveBlocks(planner.Demand(runner.Version)), decoder);
    }

    /// <summary>Time in which nothing is asked for is not counted as busy.</summary>
    public void RestIfIdle()
    {
        if (!planner.IsDemandOut)
            _clock.Stop();
    }

    /// <summary>Runs a step with the blocks that were asked for.</summary>
    /// <param name="grant">The blocks.</param>
    /// <param name="reserveAhead">Another step may follow: its blocks are asked for before this one runs.</param>
    public void Run(StepGrant grant, bool reserveAhead)
    {
        var batch = planner.Plan(grant);
        _clock.Granted(grant.Usage, grant.Preempted.Length);
        if (grant.Preempted.Length > 0)
            log.Info("{Decoder} preempted {Count} sequences: {Usage}", id, grant.Preempted.Length, grant.Usage);
        if (reserveAhead)
            Advance();
        if (batch.RowCount > 0)
            Start(batch);
        // A step stays under way while another follows it; where nothing was planned, what is under way decides what next.
        var mayStay = batch.RowCount > 0 && reserveAhead && planner.IsDemandOut ? runner.StepsAhead - 1 : 0;
        while (planner.StepsUnderWay > mayStay)
            Finish();
    }

    private void Start(ForwardBatch batch)
    {
        try
        {
            runner.Start(batch);
        }
        catch (Exception fault) when (fault is not DeviceFaultException)
        {
            // The steps before it are under way and none the worse.
            while (planner.StepsUnderWay > 1)
                Finish();
            Fail(fault);
        }
    }

    private void Finish()
    {
        try
        {
            var output = runner.Finish();
            _clock.StepDone(output, planner.PlannedPrefillTokens);
            planner.Complete(
                output, follower.Policy ?? throw new InvalidOperationException($"{id} ran a step without a policy"));
        }
        catch (Exception fault) when (fault is not DeviceFaultException)
        {
            Fail(fault);
        }
    }

    private void Fail(Exception fault)
    {
        log.Error(fault, "{Decoder}: a step failed", id);
        planner.Fail(fault);
        _clock.StepFailed();
    }
}
