using Rollout.Actors.Protocol;
using Rollout.Actors.Tests.Support;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Placement;

/// <summary>What a decoder says that is out of its mind costs the scheduler nothing.</summary>
public sealed class BadReportTests
{
    private readonly BookRig _rig = new();

    [Fact]
    public void Entries_that_can_not_be_right_are_left_out_and_the_others_count()
    {
        var decoder = _rig.Join(BookRig.Here(0))!;
        _rig.Book.Submit(Groups.Of(1, 4, 3), required: null);
        var assigned = BookRig.Assigned(decoder).Single();
        var good = DecoderDouble.Progress(assigned, assigned.Samples[0], finished: FinishReason.Stop, 5);

        _rig.Report(decoder,
        [
            good with { Sample = -1 },
            good with { Sample = 300_000_000 },
            good with { Start = -2 },
            good with { Sampled = new SampledTokens(new int[4], new float[4], [new VersionSpan(default, 0)]) },
            good,
        ]);

        Assert.Equal(
            [
                "it reported sample -1 of group 1 from token 0 on",
                "it reported sample 300000000 of group 1, which has 1",
                "it reported sample 0 of group 1 from token -2 on",
                "it reported 4 tokens of a sample of group 1, which has 3 at most",
            ],
            _rig.Refused);
        Assert.Equal([5], ((GroupFinished)_rig.Book.Find(new GroupId(1))!.Outcome!).Completions[0].Tokens);
    }

    [Fact]
    public void A_huge_sample_number_of_a_group_that_no_client_asked_for_costs_one_entry()
    {
        var decoder = _rig.Join(BookRig.Here(0) with { Seen = default, HeldSamples = 2 })!;
        var sampled = new SampledTokens([5], [-1], [new VersionSpan(default, 0)]);
        var progress = new SampleProgress(new GroupId(1), 300_000_000, new AssignmentId(1), 0, sampled);

        _rig.Report(decoder, [progress, progress with { Sample = -1 }]);

        var group = _rig.Book.Find(new GroupId(1))!;
        Assert.Single(group.Slots);
        _rig.Book.Submit(Groups.Of(1, 4, 3), required: null);
        Assert.Contains("decoders reported samples or tokens beyond those that the request asks for", _rig.Failure(new GroupId(1)));
        Assert.Equal((0, 0), (decoder.AssignedSeqs, _rig.Book.WaitingSequences));
    }

    [Fact]
    public void Samples_that_a_decoder_brings_in_any_order_stay_theirs_when_their_client_asks()
    {
        var decoder = _rig.Join(BookRig.Here(0) with { Seen = default, HeldSamples = 2 })!;
        var sampled = new SampledTokens([5], [-1], [new VersionSpan(default, 0)]);
        _rig.Report(decoder,
            [.. new[] { 2, 0 }.Select(sample => new SampleProgress(new GroupId(1), sample, new AssignmentId(1), 0, sampled, FinishReason.Stop))]);

        _rig.Book.Submit(Groups.Of(1, 4, 3, 3, 3), required: null);

        Assert.Equal([0, 1, 2], _rig.Book.Find(new GroupId(1))!.Slots.Select(slot => slot.Sample));
        Assert.Equal([(1L, 1)], BookRig.Given(decoder));
    }

    [Theory]
    [InlineData(0, 10, 4, 10, 10)]
    [InlineData(1, 0, 4, 10, 10)]
    [InlineData(1, 10, 0, 10, 10)]
    [InlineData(1, 10, 4, -1, 10)]
    [InlineData(1, 10, 4, 10, 0)]
    public void A_decoder_with_a_capacity_of_nothing_is_refused(int seqs, int blocks, int size, int length, int vocabulary)
    {
        var here = BookRig.Here(0) with { Capacity = new DecoderCapacity(seqs, blocks, size, length, vocabulary) };

        Assert.Null(_rig.Registry.Register(here, out var refusal));

        Assert.StartsWith($"{here.Id} can't be used: it says that its capacity is", refusal);
        Assert.Equal(0, _rig.Book.Decoders.Count);
    }

    [Fact]
    public void Tokens_beyond_the_decoders_vocabulary_are_refused_whenever_the_first_one_joins()
    {
        var early = Groups.Of(1, 4, 3);
        var late = early with { Id = new GroupId(2), Prompt = [1, 70] };
        _rig.Book.Submit(early with { Prompt = [1, 2, 64] }, required: null);
        Assert.Null(_rig.Book.WhyRefused(late, fingerprint: null));

        _rig.Join(BookRig.Here(0) with { Capacity = new DecoderCapacity(4, 100, 4, 100, VocabularySize: 64) });

        Assert.Equal("token 2 of the prompt is 64: the model's vocabulary ends at 63", _rig.Failure(early.Id));
        Assert.Equal(
            "token 1 of the prompt is 70: the model's vocabulary ends at 63", _rig.Book.WhyRefused(late, fingerprint: null));
    }
}
