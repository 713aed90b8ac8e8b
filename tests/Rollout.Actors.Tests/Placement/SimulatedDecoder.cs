using Rollout.Actors.Decoding;
using Rollout.Actors.Engine;
using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;

namespace Rollout.Actors.Tests.Placement;

/// <summary>
/// A decoder with the real journal and no model: it samples a token of its oldest sequences when it is told to, and
/// says and does what a decoder's link with the scheduler does.
/// </summary>
internal sealed class SimulatedDecoder(
    DecoderId id, int incarnation, DecoderCapacity capacity, string model = SimulatedDecoder.Model)
{
    /// <summary>That of most decoders.</summary>
    public const string Model = "tiny";

    private readonly List<(GroupRequest Group, Sequence Sequence)> _sequences = [];     // oldest first

    public DecoderId Id { get; } = id;

    public int Incarnation { get; } = incarnation;

    public DecoderJournal Journal { get; } = new();

    public bool IsLeaving { get; private set; }

    /// <summary>Tokens sampled here.</summary>
    public int Steps { get; private set; }

    /// <summary>Samples that it works on.</summary>
    public IEnumerable<SequenceId> Underway => _sequences.Select(entry => entry.Sequence.Id);

    /// <summary>What it holds; it samples the same with all of them.</summary>
    public Policy Policy { get; set; }

    public string Fingerprint => model;

    /// <summary>What tokens come of a model, in the words of <see cref="FakeModelRunner"/>.</summary>
    public static PolicyVersion VersionOf(string model) => new(model == Model ? 0 : 1);

    public DecoderHere Here() => new(
        Id, Incarnation, null!, capacity, Policy, model, Journal.Epoch, Journal.CommandsTaken, Journal.HeldSamples, IsLeaving);

    public void Take(IDecoderMessage message)
    {
        switch (message)
        {
            case SchedulerHere here:
                Journal.Follow(here.Epoch);
                break;
            case ReportTaken taken:
                Journal.Acknowledge(taken.Epoch, taken.Number);
                break;
            case SchedulerCommand command when Journal.Accept(command):
                CarryOut(command);
                break;
        }
    }

    /// <summary>A token of each running sequence.</summary>
    public void Step()
    {
        foreach (var (group, sequence) in _sequences.Take(capacity.MaxNumSeqs).ToArray())
        {
            Steps++;
            var token = FakeModelRunner.Next(sequence.Tokens, sequence.Key, VersionOf(model));
            sequence.Append(token, -token, default, sequence.Sampling.Filters ? -token / 2f : null);
            if (sequence.Status != SequenceStatus.Finished)
                continue;
            _sequences.RemoveAll(entry => entry.Sequence == sequence);
            Journal.Finish(group.Id, sequence.ToCompletion());
        }
    }

    /// <summary>What happened since the last report that was taken, again where it was not.</summary>
    public DecoderReport? Report(bool everything) => Journal.Epoch == default ? null : Journal.Report(
        Id, Incarnation, default, everything ? [.. _sequences.Select(entry => entry.Sequence)] : null, Load);

    public void Drain()
    {
        IsLeaving = true;
        HandBack(_ => true);
    }

    private DeviceLoad Load
    {
        get
        {
            var running = Math.Min(capacity.MaxNumSeqs, _sequences.Count);
            return new DeviceLoad(running, _sequences.Count - running, capacity.Blocks - running);
        }
    }

    private void CarryOut(SchedulerCommand command)
    {
        switch (command)
        {
            case AssignSamples assign:
                foreach (var start in assign.Samples)
                {
                    if (Journal.Assign(assign.Group.Id, start, assign.Assignment))
                        _sequences.RemoveAll(entry => entry.Sequence.Id == new SequenceId(assign.Group.Id, start.Sample));
                    var key = Groups.Key(0, new SequenceId(assign.Group.Id, start.Sample));
                    _sequences.Add((assign.Group, new Sequence(assign.Group, start, key, 0)));
                }
                if (IsLeaving)
                    HandBack(sequence => sequence.Id.Group == assign.Group.Id);
                break;
            case RecallSamples recall:
                var waiting = _sequences.Skip(recall.RunningToo ? 0 : capacity.MaxNumSeqs)
                    .Select(entry => entry.Sequence).ToHashSet();
                HandBack(sequence => sequence.Id.Group == recall.Id && recall.Samples.Contains(sequence.Id.Sample)
                    && waiting.Contains(sequence));
                break;
            case ForgetGroups forget:
                Array.ForEach(forget.Groups, Journal.Forget);
                _sequences.RemoveAll(entry => forget.Groups.Contains(entry.Group.Id));
                break;
        }
    }

    private void HandBack(Func<Sequence, bool> which)
    {
        foreach (var (group, sequence) in _sequences.Where(entry => which(entry.Sequence)).ToArray())
        {
            _sequences.Remove((group, sequence));
            Journal.HandBack(group.Id, sequence.ToStart());
        }
    }
}
