using FsCheck.Fluent;
using Rollout.Actors.Decoding;
using Rollout.Actors.Engine;
using Rollout.Actors.Protocol;
using Rollout.Gpu.Contracts;
using Xunit;

namespace Rollout.Actors.Tests.Decoding;

/// <summary>What a decoder says of its samples, and what it goes on saying until the scheduler has it.</summary>
public sealed class DecoderJournalTests : DecoderJournalTest
{
    private const int ReportTokens = 16_384;
    private const int ReportSamples = 1024;

    [Fact]
    public void A_report_has_what_came_after_the_one_that_was_taken_before()
    {
        var sequence = Assign(0);
        Sample(sequence, 1, 2, 3);
        var first = Assert.Single(Reported().Samples);
        Assert.Equal((Group, 0, Assignment, 0, false), (first.Group, first.Sample, first.Assignment, first.Start, first.IsLast));
        Assert.Equal([1, 2, 3], first.Sampled.Tokens);
        Assert.Equal([-1f, -2f, -3f], first.Sampled.Logprobs);
        Assert.True(Journal.Acknowledge(Seven, 1));

        Sample(sequence, 4, 5);

        var report = Reported();
        Assert.Equal((2, false), (report.Number, report.More));
        var second = Assert.Single(report.Samples);
        Assert.Equal(3, second.Start);
        Assert.Equal([4, 5], second.Sampled.Tokens);
        Assert.Equal([new VersionSpan(default, 0)], second.Sampled.Versions);
    }

    [Fact]
    public void What_nobody_took_is_said_again_as_it_was_and_what_has_come_since_comes_after_it()
    {
        var sequence = Assign(0);
        Sample(sequence, 1, 2);
        var report = Reported();
        Sample(sequence, 3);

        Assert.Same(report, Reported());
        Assert.Same(report, Report(everything: false));

        Assert.True(Journal.IsReportOut);
        Assert.False(Journal.Acknowledge(Seven, report.Number + 1), "nobody has made that one");
        Assert.True(Journal.Acknowledge(Seven, report.Number), "an answer that comes late is one");
        Assert.False(Journal.IsReportOut);
        Assert.False(Journal.Acknowledge(Seven, report.Number), "an answer that comes twice");
        var next = Reported();
        Assert.Equal(report.Number + 1, next.Number);
        Assert.Equal([3], Assert.Single(next.Samples).Sampled.Tokens);
    }

    [Fact]
    public void It_knows_what_may_not_be_sampled_under_other_weights_until_that_has_ended()
    {
        var (one, two) = (new Policy(Run: 1, default), new Policy(Run: 2, default));
        var sequence = new Sequence(Request(1000), SampleStart.New(0), key: 0, arrival: 0);
        Journal.Assign(Group, SampleStart.New(0), Assignment, required: one);
        Journal.Assign(new GroupId(2), SampleStart.New(0), Assignment);
        Assert.Empty(Journal.NotUnder(one));
        Assert.Equal([Group], Journal.NotUnder(two));

        Journal.Follow(new SchedulerEpoch(8));
        Assert.Equal([Group], Journal.NotUnder(two));
        HandBack(sequence);

        Assert.Empty(Journal.NotUnder(two));
    }

    [Fact]
    public void A_report_copies_its_new_tokens_and_none_of_those_before()
    {
        const int samples = 64, known = 16_000, tokenBytes = 8;
        for (var sample = 0; sample < samples; sample++)
        {
            var sequence = Assign(sample, maxTokens: 2 * known);
            for (var i = 0; i < known; i++)
                sequence.Append(i, -i, default);
        }
        while (Report(everything: true) is { } report)
            Taken(report);
        Underway.ForEach(sequence => Sample(sequence, 1, 2, 3));
        var before = GC.GetAllocatedBytesForCurrentThread();

        var news = Reported();

        Assert.Equal(3 * samples, news.Samples.Sum(sample => sample.Sampled.Count));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, samples * known * tokenBytes / 100);
    }

    [Fact]
    public void Where_nothing_has_happened_there_is_nothing_to_report()
    {
        Assert.Null(Report(everything: true));
        var sequence = Assign(0);
        Sample(sequence, 1);
        Assert.Null(Report(everything: false));         // tokens alone can wait
        Taken(Reported());

        Assert.Null(Report(everything: true));
    }

    [Fact]
    public void A_sample_that_goes_on_from_elsewhere_reports_only_what_it_sampled_here()
    {
        var sequence = Assign(0, new SampleStart(0, new SampledTokens([1, 2], [-1, -2], [new VersionSpan(default, 0)])));
        Sample(sequence, 3);

        var progress = Assert.Single(Reported().Samples);

        Assert.Equal(2, progress.Start);
        Assert.Equal([3], progress.Sampled.Tokens);
    }

    [Fact]
    public void A_finished_sample_is_news_until_it_was_taken_and_is_kept_until_its_group_is_over()
    {
        Finish(Assign(0), 1, 2);
        Assert.True(Journal.HasNews);
        var report = Report(everything: false)!;
        Assert.Equal(FinishReason.Length, Assert.Single(report.Samples).Finished);
        Taken(report);

        Assert.False(Journal.HasNews);
        Assert.Equal(1, Journal.HeldSamples);
        Journal.Forget(new GroupId(77));
        Assert.Equal(1, Journal.HeldSamples);
        Journal.Forget(Group);
        Assert.Equal(0, Journal.HeldSamples);
    }

    [Fact]
    public void A_sample_that_was_handed_back_is_forgotten_when_the_scheduler_has_it()
    {
        var sequence = Assign(0);
        Sample(sequence, 1);
        HandBack(sequence);
        var report = Report(everything: false)!;
        Assert.True(Assert.Single(report.Samples).HandedBack);
        Assert.Equal(1, Journal.HeldSamples);

        Taken(report);

        Assert.Equal(0, Journal.HeldSamples);
    }

    [Fact]
    public void A_long_sample_comes_in_parts_and_ends_with_the_last()
    {
        var tokens = Enumerable.Range(100, ReportTokens + 10).ToArray();
        var sequence = Assign(0, maxTokens: tokens.Length);
        sequence.Append(tokens[0], -tokens[0], default);
        foreach (var token in tokens[1..])
            sequence.Append(token, -token, new Policy(Run: 0, new PolicyVersion(token < 100 + ReportTokens + 5 ? 1 : 2)));
        End(sequence);

        var first = Reported();
        var part = Assert.Single(first.Samples);
        Assert.True(first.More);
        Assert.Equal((ReportTokens, false), (part.Sampled.Count, part.IsLast));
        Assert.Equal([0, 1], part.Sampled.Versions.Select(span => span.Version.Value));     // of the tokens that it has
        Taken(first);
        var last = Reported();

        Assert.False(last.More);
        Assert.Equal(tokens[ReportTokens..], last.Samples[0].Sampled.Tokens);
        Assert.Equal(FinishReason.Length, last.Samples[0].Finished);
        Assert.Equal([1, 2], last.Samples[0].Sampled.Versions.Select(span => span.Version.Value));
    }

    [Fact]
    public void A_report_has_no_more_samples_than_a_message_should()
    {
        for (var i = 0; i <= ReportSamples; i++)
            Finish(Assign(i), 1);

        var first = Reported();
        Assert.Equal((ReportSamples, true), (first.Samples.Length, first.More));
        Taken(first);

        Assert.Equal(ReportSamples, Assert.Single(Reported().Samples).Sample);
    }

    [Fact]
    public void What_was_taken_of_an_earlier_assignment_says_nothing_of_the_next_one()
    {
        var first = Assign(0);
        Sample(first, 1, 2, 3);
        HandBack(first);
        var before = Reported();

        var again = new Sequence(Request(1000), SampleStart.New(0), key: 0, arrival: 0);
        Assert.True(Journal.Assign(Group, SampleStart.New(0), new AssignmentId(6)), "it was held");
        Underway.Add(again);
        Sample(again, 1);
        Taken(before);

        var progress = Assert.Single(Reported().Samples);
        Assert.Equal((new AssignmentId(6), 0), (progress.Assignment, progress.Start));
        Assert.Equal([1], progress.Sampled.Tokens);
    }

    [Fact]
    public void Rejections_that_have_no_room_in_a_report_come_with_the_next()
    {
        var groups = Enumerable.Range(0, 150).Select(id => new GroupId(id)).ToArray();
        foreach (var group in groups)
        {
            Journal.Assign(group, SampleStart.New(0), Assignment);
            Journal.Reject(group, new string('漢', 10_000));
        }
        var rejected = new List<GroupId>();
        do
        {
            var report = Reported();
            Assert.InRange(report.Rejected.Length, 1, 64);
            Assert.Equal(rejected.Count + report.Rejected.Length < groups.Length, report.More);
            rejected.AddRange(report.Rejected.Select(rejection => rejection.Group));
            Taken(report);
        }
        while (Journal.HasNews);

        Assert.Equal(groups, rejected);
    }

    [Fact]
    public void A_group_that_can_not_be_finished_is_rejected_once_and_its_finished_samples_stay()
    {
        Finish(Assign(0), 1);
        Assign(1);
        Assign(2);
        Underway.Clear();

        Journal.Reject(Group, "no block is left");
        Journal.Reject(Group, "and again");

        var report = Reported();
        Assert.Equal([new GroupRejection(Group, Assignment, "no block is left")], report.Rejected);
        Assert.Equal(1, Journal.HeldSamples);
        Assert.True(Journal.HasNews);
        Taken(report);
        Assert.False(Journal.HasNews);
        Assert.Null(Report(everything: true));
    }

    [Fact]
    public void Whatever_messages_get_lost_the_scheduler_has_every_token_once_in_the_end() => Prop.ForAll(
        Gen.Elements(Fate.ReportLost, Fate.AnswerLost, Fate.AnswerLate, Fate.Taken).ArrayOf(40).ToArbitrary(),
        fates =>
        {
            var (journal, known, next) = (new DecoderJournal(), new List<int>(), 100);
            journal.Follow(Seven);
            journal.Assign(Group, SampleStart.New(0), Assignment);
            var sequence = new Sequence(Request(1000), SampleStart.New(0), key: 0, arrival: 0);
            var late = 0L;
            foreach (var fate in fates)
            {
                for (var i = 0; i < 1 + (next % 3); i++)
                    sequence.Append(next, -next++, default);
                var report = Report();
                journal.Acknowledge(Seven, late);
                if (fate == Fate.ReportLost)
                    continue;
                Take(report!);
                late = fate == Fate.AnswerLate ? report!.Number : 0;
                if (fate == Fate.Taken)
                    journal.Acknowledge(Seven, report!.Number);
            }
            while (Report() is { } rest)
            {
                Take(rest);
                journal.Acknowledge(Seven, rest.Number);
            }
            return known.SequenceEqual(Enumerable.Range(100, next - 100)) && !journal.IsReportOut;

            DecoderReport? Report() => journal.Report(default, 1, default, [sequence], default);

            void Take(DecoderReport report)
            {
                var progress = Assert.Single(report.Samples);
                Assert.True(progress.Start <= known.Count, "tokens are missing before those of the report");
                known.AddRange(progress.Sampled.Tokens.Skip(known.Count - progress.Start));
            }
        }).Holds();

    private enum Fate
    {
        ReportLost,
        AnswerLost,
        AnswerLate,
        Taken,
    }
}
