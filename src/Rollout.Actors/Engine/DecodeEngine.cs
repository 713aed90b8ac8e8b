using Rollout.Actors.Blocks;
using Rollout.Actors.Protocol;
using Rollout.Actors.Text;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Engine;

/// <summary>
/// Decodes groups on one device, without actors. The caller passes each <see cref="Demand"/> to a
/// <see cref="BlockLedger"/> and its grant to <see cref="Run"/>. Single-threaded; <see cref="Run"/> blocks. It owns and
/// disposes of the runner.
/// </summary>
public sealed class DecodeEngine : IDisposable
{
    private readonly IModelRunner _runner;
    private readonly StepPlanner _planner;
    private readonly StepClock _clock;

    /// <param name="runner">The device with its model.</param>
    /// <param name="limits">
    /// What it may hold. MaxNumSeqs is capped at the runner's MaxCopies: each running sequence may need one copy a step.
    /// </param>
    /// <param name="policy">The policy that the runner's weights are; null for weights from disk.</param>
    /// <param name="tokenizer">Finds stop texts; without one, groups that have some fail.</param>
    public DecodeEngine(
        IModelRunner runner, EngineLimits limits, Policy? policy = null, HuggingFaceTokenizer? tokenizer = null)
    {
        _runner = runner;
        Policy = policy ?? new Policy(Run: 0, runner.Version);
        Limits = limits with { MaxNumSeqs = Math.Min(limits.MaxNumSeqs, runner.MaxCopies) };
        _planner = new StepPlanner(Limits, runner.Geometry, runner.VocabularySize, tokenizer);
        _clock = new StepClock(TimeProvider.System, runner.Geometry.BlockCount);
    }

    /// <summary>What it may hold.</summary>
    public EngineLimits Limits { get; }

    /// <summary>What its device can hold, as the scheduler is told.</summary>
    public DecoderCapacity Capacity => new(
        Limits.MaxNumSeqs, _runner.Geometry.BlockCount, _runner.Geometry.BlockSize, Limits.MaxModelLength, _runner.VocabularySize);

    /// <summary>What samples the next tokens.</summary>
    public Policy Policy { get; private set; }

    /// <summary>Called when a step has failed; its sequences are tried again, or fail with their groups.</summary>
    public Action<Exception>? StepFailed { get; init; }

    /// <summary>A demand is out whose grant has not been run. Without one, no step is under way.</summary>
    public bool IsDemandOut => _planner.IsDemandOut;

    /// <summary>Samples that were added and have not ended.</summary>
    public IEnumerable<Sequence> Sequences => _planner.Sequences;

    /// <summary>Sequences with blocks, and without.</summary>
    public (int Running, int Waiting) CountSequences()
    {
        var (running, waiting) = (0, 0);
        foreach (var sequence in Sequences)
            _ = sequence.HoldsBlocks ? running++ : waiting++;
        return (running, waiting);
    }

    /// <summary>Adds a new group with all of its samples.</summary>
    public void Add(GroupRequest group) =>
        _planner.Add(group, [.. group.Samples.Select((_, sample) => SampleStart.New(sample))]);

    /// <summary>
    /// Adds samples of a group; those that are here already stay as they are. A group that can never run fails at once,
    /// with the reason among the outcomes.
    /// </summary>
    public void Add(GroupRequest group, IReadOnlyList<SampleStart> samples) => _planner.Add(group, samples);

    /// <summary>Removes samples of a group, and returns how far they are.</summary>
    /// <param name="id">The group; an unknown one has no samples.</param>
    /// <param name="samples">Which samples; null for all.</param>
    /// <param name="runningToo">Also those that hold blocks, else only those that wait.</param>
    public IReadOnlyList<SampleStart> Recall(GroupId id, IReadOnlyCollection<int>? samples, bool runningToo) =>
        _planner.Recall(id, samples, runningToo);

    /// <summary>Removes a group. An unknown one is ignored.</summary>
    public void Abort(GroupId id) => _planner.Abort(id);

    /// <summary>
    /// Switches to another policy from the next step on. The runner must be able to load its weights, no demand may be out,
    /// and the ledger must forget the old policy's blocks before the next one.
    /// </summary>
    public void SwapPolicy(Policy policy)
    {
        if (IsDemandOut)
            throw new InvalidOperationException($"{policy} can't be loaded: a step under {Policy} is still to run");
        _planner.RequeueAll();
        _runner.LoadWeights(policy.Version);
        _runner.Wake();
        Policy = policy;
    }

    /// <summary>Lends the memory of the KV pool to a trainer until <see cref="SwapPolicy"/>. No demand may be out.</summary>
    public void Sleep() => _runner.Sleep();

    /// <summary>What the next step asks of the ledger; null while such a demand is out, or nothing is to do.</summary>
    public StepDemand? Demand()
    {
        if (_planner.IsDemandOut || !_planner.HasWork)
            return null;
        _clock.Start();
        return _planner.Demand(_runner.Version);
    }

    /// <summary>Runs the step that <see cref="Demand"/> asked for.</summary>
    /// <param name="grant">The ledger's answer.</param>
    /// <param name="reserveAhead">
    /// Given the demand of the step after this one before this one starts, so that a device with room for two steps never
    /// waits. Without it, no step is under way afterwards.
    /// </param>
    public void Run(StepGrant grant, Action<StepDemand>? reserveAhead = null)
    {
        var plan = _planner.Plan(grant);
        _clock.Granted(grant.Usage, grant.Preempted.Length);
        Reserve(reserveAhead);
        var hasRows = plan.Batch.RowCount > 0;
        if (hasRows)
            Start(plan.Batch);
        // A step stays under way while another one follows it. Where nothing follows, its result decides what is next.
        var mayStay = hasRows && !plan.IsLastTry && reserveAhead is not null && IsDemandOut ? _runner.MaxStepsUnderWay - 1 : 0;
        while (_planner.StepsUnderWay > mayStay)
            Finish();
        Reserve(reserveAhead);
        if (!IsDemandOut)
            _clock.Stop();
    }

    /// <summary>Samples that ended since the last call.</summary>
    public IReadOnlyList<SampleOutcome> TakeOutcomes() => _planner.TakeOutcomes();

    /// <summary>What was done since the counts were last reset.</summary>
    public DecoderStats ReadStats(bool reset) => _clock.Read(reset);

    public void Dispose() => _runner.Dispose();

    private void Reserve(Action<StepDemand>? reserve)
    {
        if (reserve is not null && Demand() is { } demand)
            reserve(demand);
    }

    private void Start(ForwardBatch batch)
    {
        try
        {
            _runner.Start(batch);
        }
        catch (Exception fault) when (fault is not DeviceFaultException)
        {
            // The steps before it are under way and sound.
            while (_planner.StepsUnderWay > 1)
                Finish();
            Fail(fault);
        }
    }

    private void Finish()
    {
        try
        {
            var output = _runner.Finish();
            var (prefillTokens, newTokens) = _planner.Complete(output, Policy);
            _clock.StepDone(output, prefillTokens, newTokens);
        }
        catch (Exception fault) when (fault is not DeviceFaultException)
        {
            Fail(fault);
        }
    }

    private void Fail(Exception fault)
    {
        StepFailed?.Invoke(fault);
        _planner.Fail(fault);
        _clock.StepFailed();
    }
}
