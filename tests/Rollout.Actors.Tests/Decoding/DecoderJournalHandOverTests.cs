using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Decoding;

/// <summary>Whose commands a decoder carries out, and what a scheduler is told that takes the place of another.</summary>
public sealed class DecoderJournalHandOverTests : DecoderJournalTest
{
    private static readonly SchedulerEpoch Eight = new(8);

    [Fact]
    public void Commands_of_the_followed_scheduler_are_carried_out_in_order_each_once()
    {
        Assert.False(Journal.Accept(Command(Seven, 2)), "the first one is missing");
        Assert.True(Journal.Accept(Command(Seven, 1)));
        Assert.False(Journal.Accept(Command(Seven, 1)), "it comes twice");
        Assert.False(Journal.Accept(Command(Eight, 2)), "nobody has said who that is");
        Assert.True(Journal.Accept(Command(Seven, 2)));
        Assert.Equal(2, Reported(Assign(0), 9).CommandsTaken);

        Assert.True(Journal.Follow(Eight));

        Assert.False(Journal.Accept(Command(Seven, 3)), "it has been replaced");
        Assert.Equal(0, Journal.CommandsTaken);
        Assert.True(Journal.Accept(Command(Eight, 1)));
    }

    [Fact]
    public void A_scheduler_of_the_same_or_an_older_epoch_changes_nothing()
    {
        Sample(Assign(0), 1);
        var report = Reported();

        Assert.False(Journal.Follow(new SchedulerEpoch(6)));
        Assert.False(Journal.Follow(Seven));

        Assert.Equal(Seven, Journal.Epoch);
        Assert.True(Journal.Acknowledge(Seven, report.Number));
    }

    [Fact]
    public void A_newer_scheduler_is_told_everything_from_the_first_token_on()
    {
        var (sampling, finished, idle) = (Assign(0), Assign(1), Assign(2));
        Sample(sampling, 1, 2);
        Finish(finished, 3);
        Taken(Reported());
        Assert.Null(Report(everything: true));

        Journal.Follow(Eight);

        Assert.True(Journal.HasNews);
        var report = Reported();
        Assert.Equal((Eight, 1L, false), (report.Epoch, report.Number, report.More));
        var samples = report.Samples.ToDictionary(sample => sample.Sample);
        Assert.Equal([1, 2], samples[sampling.Id.Sample].Sampled.Tokens);
        Assert.Equal([3], samples[finished.Id.Sample].Sampled.Tokens);
        Assert.Equal(FinishReason.Length, samples[finished.Id.Sample].Finished);
        Assert.Empty(samples[idle.Id.Sample].Sampled.Tokens);
        Assert.All(report.Samples, sample => Assert.Equal(0, sample.Start));
        Assert.False(Journal.Acknowledge(Seven, report.Number), "the old scheduler has nothing to say to it");
    }

    [Fact]
    public void A_report_says_that_more_follows_until_one_with_all_samples_was_taken()
    {
        Sample(Assign(0), 1);
        Finish(Assign(1), 2);
        Journal.Follow(Eight);

        var ended = Report(everything: false)!;
        Assert.True(ended.More);
        Taken(ended);
        var rest = Reported();

        Assert.False(rest.More);
        Assert.Equal(0, Assert.Single(rest.Samples).Sample);
    }

    [Fact]
    public void The_list_for_a_new_scheduler_is_completed_even_where_nothing_more_is_to_be_said()
    {
        Finish(Assign(0), 1);
        Journal.Follow(Eight);
        Taken(Report(everything: false)!);

        var last = Reported();

        Assert.Empty(last.Samples);
        Assert.False(last.More);
        Taken(last);
        Assert.Null(Report(everything: true));
    }

    private static ForgetGroups Command(SchedulerEpoch epoch, long number) => new ForgetGroups(epoch, number, []);
}
